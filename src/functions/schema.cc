#include "functions/schema.h"

#include <array>
#include <map>

#include "base/try.h"

namespace godwit::functions {
namespace {

using storage::Database;
using storage::Statement;

constexpr std::array<storage::Migration, 6> kMigrations = {
    {{1, "functions, calls, instances, transitions", R"sql(
  CREATE TABLE function (name TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
  CREATE TABLE call (
    id TEXT PRIMARY KEY, sequence INTEGER NOT NULL, function TEXT NOT NULL, kind INTEGER NOT NULL, status INTEGER NOT NULL,
    attempt INTEGER NOT NULL, instance TEXT, payload BLOB, client_context TEXT NOT NULL, trace_id TEXT NOT NULL,
    result BLOB, function_error TEXT, accepted_ns INTEGER NOT NULL, finished_ns INTEGER) STRICT;
  CREATE INDEX call_finished ON call (finished_ns);
  CREATE TABLE instance (id TEXT PRIMARY KEY, facts TEXT NOT NULL, image TEXT NOT NULL, image_bytes INTEGER NOT NULL) STRICT;
  CREATE TABLE transition (
    slot INTEGER PRIMARY KEY, sequence INTEGER NOT NULL, instance TEXT NOT NULL, before INTEGER NOT NULL, after INTEGER NOT NULL,
    at_ns INTEGER NOT NULL, reason TEXT NOT NULL) STRICT;
  CREATE INDEX transition_instance ON transition (instance, sequence);
)sql"},
     {2, "callbacks", R"sql(
  CREATE TABLE callback (
    call TEXT NOT NULL, number INTEGER NOT NULL, key TEXT, payload BLOB NOT NULL, accepted_ns INTEGER NOT NULL,
    PRIMARY KEY (call, number)) STRICT;
  CREATE UNIQUE INDEX callback_key ON callback (call, key) WHERE key IS NOT NULL;
)sql"},
     {3, "templates", R"sql(
  CREATE TABLE template (
    function TEXT PRIMARY KEY, facts TEXT NOT NULL, image TEXT NOT NULL, image_bytes INTEGER NOT NULL,
    depends TEXT NOT NULL) STRICT;
)sql"},
     {4, "images that share pages, and may not be synced yet", R"sql(
  ALTER TABLE instance ADD COLUMN synced INTEGER NOT NULL DEFAULT 1;
)sql"},
     {5, "calls that other nodes of a site accepted, or run", R"sql(
  ALTER TABLE call ADD COLUMN home TEXT NOT NULL DEFAULT '';
  ALTER TABLE call ADD COLUMN away TEXT NOT NULL DEFAULT '';
  CREATE INDEX call_home ON call (home) WHERE home <> '';
)sql"},
     {6, "copies of instances of other nodes", R"sql(
  CREATE TABLE replica (
    instance TEXT PRIMARY KEY, owner TEXT NOT NULL, luggage TEXT NOT NULL, image TEXT NOT NULL,
    image_bytes INTEGER NOT NULL) STRICT;
)sql"}}};

std::optional<std::string> TextOf(const std::optional<InstanceId>& id) {
  return id ? std::optional(id->text) : std::nullopt;
}

template <typename... Values>
Result<> Do(Database& database, std::string_view sql, const Values&... values) {
  GODWIT_TRY(Statement * statement, database.Cached(sql));
  statement->BindAll(values...);
  return statement->Run();
}

}  // namespace

std::span<const storage::Migration> Migrations() { return kMigrations; }

Result<> PutFunction(Database& database, const Function& function) {
  return Do(database, "INSERT OR REPLACE INTO function (name, body) VALUES (?, ?)",
            function.spec.name, FunctionToJson(function));
}

Result<> DropFunction(Database& database, const std::string& name) {
  return Do(database, "DELETE FROM function WHERE name = ?", name);
}

Result<std::vector<Function>> AllFunctions(Database& database) {
  GODWIT_TRY(Statement * all, database.Cached("SELECT body FROM function ORDER BY name"));
  std::vector<Function> functions;
  while (true) {
    GODWIT_TRY(const bool row, all->Step());
    if (!row) return functions;
    GODWIT_TRY(Function function, FunctionFromJson(all->Text(0)));
    functions.push_back(std::move(function));
  }
}

Result<> PutCall(Database& database, const Invocation& call, CallStatus status,
                 const std::optional<InstanceId>& instance) {
  return Do(database,
            "INSERT INTO call (id, sequence, function, kind, status, attempt, instance, payload, "
            "client_context, trace_id,"
            " accepted_ns, home) VALUES (?, (SELECT coalesce(max(sequence), 0) + 1 FROM call), ?, "
            "?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET status = excluded.status, instance = "
            "excluded.instance, attempt = excluded.attempt",
            call.id.text, call.function, static_cast<int64_t>(call.kind),
            static_cast<int64_t>(status), call.attempt, TextOf(instance),
            storage::BlobView{call.payload}, call.client_context, call.trace_id,
            call.accepted.since_epoch.count(), call.home);
}

Result<> FinishCall(Database& database, const Outcome& outcome, int attempt, WallTime at) {
  const CallStatus status =
      outcome.function_error.empty() ? CallStatus::kSucceeded : CallStatus::kFailed;
  GODWIT_TRY(
      Do(database,
         "UPDATE call SET status = ?, result = ?, function_error = ?, attempt = ?, finished_ns = ?,"
         " payload = NULL WHERE id = ?",
         static_cast<int64_t>(status), storage::BlobView{outcome.payload}, outcome.function_error,
         attempt, at.since_epoch.count(), outcome.id.text));
  return Do(database, "DELETE FROM callback WHERE call = ?", outcome.id.text);
}

Result<std::optional<CallRecord>> FindCall(Database& database, const RequestId& id) {
  GODWIT_TRY(
      Statement * find,
      database.Cached("SELECT function, kind, status, attempt, instance, result, function_error,"
                      " accepted_ns, finished_ns FROM call WHERE id = ?"));
  find->BindAll(id.text);
  GODWIT_TRY(const bool row, find->Step());
  if (!row) return std::optional<CallRecord>();
  CallRecord record;
  record.id = id;
  record.function = find->Text(0);
  record.kind = static_cast<CallKind>(find->Int(1));
  record.status = static_cast<CallStatus>(find->Int(2));
  record.attempt = static_cast<int>(find->Int(3));
  if (!find->IsNull(4)) record.instance = InstanceId{std::string(find->Text(4))};
  record.payload = find->Blob(5);
  record.function_error = find->Text(6);
  record.accepted = WallTime{Nanos(find->Int(7))};
  if (!find->IsNull(8)) record.finished = WallTime{Nanos(find->Int(8))};
  find->Reset();
  return std::optional(std::move(record));
}

Result<std::vector<KeptCall>> UnfinishedCalls(Database& database) {
  GODWIT_TRY(
      Statement * all,
      database.Cached(
          "SELECT id, function, kind, status, attempt, instance, payload, client_context, trace_id,"
          " accepted_ns, home, away FROM call WHERE finished_ns IS NULL ORDER BY sequence"));
  std::vector<KeptCall> kept;
  while (true) {
    GODWIT_TRY(const bool row, all->Step());
    if (!row) return kept;
    KeptCall call;
    call.invocation.id = RequestId{std::string(all->Text(0))};
    call.invocation.function = all->Text(1);
    call.invocation.kind = static_cast<CallKind>(all->Int(2));
    call.record.status = static_cast<CallStatus>(all->Int(3));
    call.invocation.attempt = static_cast<int>(all->Int(4));
    if (!all->IsNull(5)) call.record.instance = InstanceId{std::string(all->Text(5))};
    call.invocation.payload = all->Blob(6);
    call.invocation.client_context = all->Text(7);
    call.invocation.trace_id = all->Text(8);
    call.invocation.accepted = WallTime{Nanos(all->Int(9))};
    call.invocation.home = all->Text(10);
    call.away = all->Text(11);
    kept.push_back(std::move(call));
  }
}

Result<> SendCallAway(Database& database, const RequestId& id, const std::string& node) {
  return Do(database, "UPDATE call SET away = ? WHERE id = ?", node, id.text);
}

Result<std::vector<ForeignResult>> ForeignResults(Database& database) {
  GODWIT_TRY(Statement * all,
             database.Cached("SELECT id, home, instance, attempt, result, function_error FROM call"
                             " WHERE home <> '' AND finished_ns IS NOT NULL ORDER BY sequence"));
  std::vector<ForeignResult> results;
  while (true) {
    GODWIT_TRY(const bool row, all->Step());
    if (!row) return results;
    ForeignResult& result = results.emplace_back();
    result.outcome.id = RequestId{std::string(all->Text(0))};
    result.home = all->Text(1);
    if (!all->IsNull(2)) result.instance = InstanceId{std::string(all->Text(2))};
    result.attempt = static_cast<int>(all->Int(3));
    result.outcome.payload = all->Blob(4);
    result.outcome.function_error = all->Text(5);
  }
}

Result<> DropCall(Database& database, const RequestId& id) {
  GODWIT_TRY(Do(database, "DELETE FROM callback WHERE call = ?", id.text));
  return Do(database, "DELETE FROM call WHERE id = ?", id.text);
}

Result<> NoteDelivered(Database& database, const RequestId& id) {
  return Do(database, "UPDATE call SET home = '' WHERE id = ?", id.text);
}

Result<> DropCallsFinishedBefore(Database& database, WallTime time) {
  return Do(database, "DELETE FROM call WHERE finished_ns < ? AND home = ''",
            time.since_epoch.count());
}

Result<uint32_t> CountCallbacks(Database& database, const RequestId& call) {
  GODWIT_TRY(Statement * count,
             database.Cached("SELECT coalesce(max(number) + 1, 0) FROM callback WHERE call = ?"));
  count->BindAll(call.text);
  GODWIT_TRY(const bool row, count->Step());
  const uint32_t callbacks = row ? static_cast<uint32_t>(count->Int(0)) : 0;
  count->Reset();
  return callbacks;
}

Result<uint32_t> AddCallback(Database& database, const Callback& callback, WallTime at,
                             uint32_t limit) {
  const std::string& call = callback.call.text;
  GODWIT_TRY(const auto record, FindCall(database, callback.call));
  if (!record)
    return Fail(Code::kNotFound, "no call '{}' is known (`godwit ps` shows those under way)", call);
  if (record->finished) {
    return Fail(Code::kConflict, "call '{}' has ended: it is {} (`godwit result {}` tells more)",
                call, ToString(record->status), call);
  }
  if (!callback.key.empty()) {
    GODWIT_TRY(Statement * same,
               database.Cached("SELECT number FROM callback WHERE call = ? AND key = ?"));
    same->BindAll(call, callback.key);
    GODWIT_TRY(const bool known, same->Step());
    const uint32_t number = known ? static_cast<uint32_t>(same->Int(0)) : 0;
    same->Reset();
    if (known) return number;
  }
  GODWIT_TRY(const uint32_t number, CountCallbacks(database, callback.call));
  if (number >= limit) {
    return Fail(Code::kBusy,
                "call '{}' has {} callbacks that it has not taken (try again when it has)", call,
                kMaxWaitingCallbacks);
  }
  const auto key = callback.key.empty() ? std::nullopt : std::optional(callback.key);
  GODWIT_TRY(
      Do(database,
         "INSERT INTO callback (call, number, key, payload, accepted_ns) VALUES (?, ?, ?, ?, ?)",
         call, number, key, storage::BlobView{callback.payload}, at.since_epoch.count()));
  return number;
}

Result<std::vector<KeptCallback>> CallbacksOf(Database& database, const RequestId& call) {
  GODWIT_TRY(Statement * all,
             database.Cached("SELECT number, key, payload, accepted_ns FROM callback WHERE call = ?"
                             " ORDER BY number"));
  all->BindAll(call.text);
  std::vector<KeptCallback> kept;
  while (true) {
    GODWIT_TRY(const bool row, all->Step());
    if (!row) return kept;
    KeptCallback& one = kept.emplace_back();
    one.number = static_cast<uint32_t>(all->Int(0));
    one.callback = {call, std::string(all->Blob(2)),
                    all->IsNull(1) ? std::string() : std::string(all->Text(1))};
    one.accepted = WallTime{Nanos(all->Int(3))};
  }
}

Result<> PutCallback(Database& database, const KeptCallback& kept) {
  const Callback& callback = kept.callback;
  const auto key = callback.key.empty() ? std::nullopt : std::optional(callback.key);
  return Do(database,
            "INSERT OR REPLACE INTO callback (call, number, key, payload, accepted_ns) VALUES "
            "(?, ?, ?, ?, ?)",
            callback.call.text, kept.number, key, storage::BlobView{callback.payload},
            kept.accepted.since_epoch.count());
}

Result<std::optional<std::string>> FindCallback(Database& database, const RequestId& call,
                                                uint32_t number) {
  GODWIT_TRY(Statement * find,
             database.Cached("SELECT payload FROM callback WHERE call = ? AND number = ?"));
  find->BindAll(call.text, number);
  GODWIT_TRY(const bool row, find->Step());
  auto payload = row ? std::optional(std::string(find->Blob(0))) : std::nullopt;
  find->Reset();
  return payload;
}

Result<> PutInstance(Database& database, const KeptInstance& kept) {
  return Do(database,
            "INSERT OR REPLACE INTO instance (id, facts, image, image_bytes, synced) VALUES "
            "(?, ?, ?, ?, ?)",
            kept.facts.instance.text, FactsToJson(kept.facts), kept.image.hex, kept.image_bytes,
            static_cast<int64_t>(kept.synced));
}

Result<> NoteSynced(Database& database, const InstanceId& id, const storage::BlobId& image) {
  return Do(database, "UPDATE instance SET synced = 1 WHERE id = ? AND image = ?", id.text,
            image.hex);
}

Result<> DropInstance(Database& database, const InstanceId& id) {
  return Do(database, "DELETE FROM instance WHERE id = ?", id.text);
}

Result<std::vector<KeptInstance>> AllInstances(Database& database) {
  GODWIT_TRY(Statement * all,
             database.Cached("SELECT facts, image, image_bytes, synced FROM instance ORDER BY id"));
  std::vector<KeptInstance> kept;
  std::map<std::string, std::shared_ptr<const Function>> functions;  // by revision
  while (true) {
    GODWIT_TRY(const bool row, all->Step());
    if (!row) return kept;
    GODWIT_TRY(InstanceFacts facts, FactsFromJson(all->Text(0)));
    const std::string& revision = facts.function->revision_id;
    if (!revision.empty())
      facts.function = functions.try_emplace(revision, facts.function).first->second;
    uint32_t callbacks = 0;
    if (facts.call) {
      GODWIT_TRY(callbacks, CountCallbacks(database, facts.call->id));
    }
    kept.push_back({std::move(facts), storage::BlobId{std::string(all->Text(1))},
                    static_cast<uint64_t>(all->Int(2)), callbacks, all->Int(3) != 0});
  }
}

Result<bool> HasInstance(Database& database, const InstanceId& id) {
  GODWIT_TRY(Statement * find, database.Cached("SELECT 1 FROM instance WHERE id = ?"));
  find->BindAll(id.text);
  GODWIT_TRY(const bool row, find->Step());
  find->Reset();
  return row;
}

Result<size_t> CountInstances(Database& database) {
  GODWIT_TRY(Statement * count, database.Cached("SELECT count(*) FROM instance"));
  GODWIT_TRY(const bool row, count->Step());
  const size_t instances = row ? static_cast<size_t>(count->Int(0)) : 0;
  count->Reset();
  return instances;
}

Result<> PutTransition(Database& database, int64_t sequence, const Transition& transition) {
  return Do(database,
            "INSERT OR REPLACE INTO transition (slot, sequence, instance, before, after, at_ns, "
            "reason) VALUES (?, ?, ?, ?, ?, ?, ?)",
            sequence % kTransitionsKept, sequence, transition.instance.text,
            static_cast<int64_t>(transition.from), static_cast<int64_t>(transition.to),
            transition.at.since_epoch.count(), transition.reason);
}

Result<std::vector<Transition>> TransitionsOf(Database& database, const InstanceId& id) {
  GODWIT_TRY(Statement * all, database.Cached("SELECT before, after, at_ns, reason FROM transition "
                                              "WHERE instance = ? ORDER BY sequence"));
  all->BindAll(id.text);
  std::vector<Transition> transitions;
  while (true) {
    GODWIT_TRY(const bool row, all->Step());
    if (!row) return transitions;
    transitions.push_back({id, static_cast<State>(all->Int(0)), static_cast<State>(all->Int(1)),
                           WallTime{Nanos(all->Int(2))}, std::string(all->Text(3))});
  }
}

Result<int64_t> LastTransition(Database& database) {
  GODWIT_TRY(Statement * last,
             database.Cached("SELECT coalesce(max(sequence), 0) FROM transition"));
  GODWIT_TRY(const bool row, last->Step());
  const int64_t sequence = row ? last->Int(0) : 0;
  last->Reset();
  return sequence;
}

}  // namespace godwit::functions
