#pragma once

// The tables of a node's metadata (docs/formats/store.md), and the code that fills them.
//
// Each call is one change for the journal. Threads: the journal's. Failure: SQLite's, with the
// statement.
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "functions/codec.h"
#include "functions/lifecycle.h"
#include "functions/model.h"
#include "storage/blobs.h"
#include "storage/database.h"
#include "storage/migrations.h"

namespace godwit::functions {

std::span<const storage::Migration> Migrations();

// Functions.
Result<> PutFunction(storage::Database& database, const Function& function);
Result<> DropFunction(storage::Database& database, const std::string& name);
Result<std::vector<Function>> AllFunctions(storage::Database& database);

// Calls: Event calls from their acceptance on, synchronous ones from their first suspension or
// callback on.
struct KeptCall {
  Invocation invocation;
  CallRecord record;
  std::string away;  // the node on which it is; empty: this one
};
Result<> PutCall(storage::Database& database, const Invocation& invocation, CallStatus status,
                 const std::optional<InstanceId>& instance);
Result<> FinishCall(storage::Database& database, const Outcome& outcome, int attempt, WallTime at);
Result<std::optional<CallRecord>> FindCall(storage::Database& database, const RequestId& id);
// Those without a result, in the order in which they were accepted.
Result<std::vector<KeptCall>> UnfinishedCalls(storage::Database& database);
// Another node has it from now on; empty: it is back.
Result<> SendCallAway(storage::Database& database, const RequestId& id, const std::string& node);
// Results of calls that other nodes have accepted, and do not know yet.
struct ForeignResult {
  std::string home;
  InstanceId instance;
  Outcome outcome;
  int attempt = 1;
};
Result<std::vector<ForeignResult>> ForeignResults(storage::Database& database);
Result<> DropCall(storage::Database& database, const RequestId& id);
Result<> NoteDelivered(storage::Database& database, const RequestId& id);
Result<> DropCallsFinishedBefore(storage::Database& database, WallTime time);

// Callbacks of calls that have not ended, which take them along.
// The new one's number, or that of the one with its key. kNotFound for a call that is not here,
// kConflict for one that has ended, kBusy if its number were `limit`.
Result<uint32_t> AddCallback(storage::Database& database, const Callback& callback, WallTime at,
                             uint32_t limit);
Result<std::optional<std::string>> FindCallback(storage::Database& database, const RequestId& call,
                                                uint32_t number);
Result<uint32_t> CountCallbacks(storage::Database& database, const RequestId& call);
// All of a call's, as they go to another node with it.
struct KeptCallback {
  uint32_t number = 0;
  Callback callback;
  WallTime accepted;
};
Result<std::vector<KeptCallback>> CallbacksOf(storage::Database& database, const RequestId& call);
Result<> PutCallback(storage::Database& database, const KeptCallback& kept);

// Suspended instances.
struct KeptInstance {
  InstanceFacts facts;
  storage::BlobId image;
  uint64_t image_bytes = 0;
  uint32_t callbacks = 0;  // that its call has; counted when it is read
  bool synced = true;      // a power cut takes neither its image nor the bases of that
};
Result<> PutInstance(storage::Database& database, const KeptInstance& kept);
// Of the instance, if it has this image still.
Result<> NoteSynced(storage::Database& database, const InstanceId& id,
                    const storage::BlobId& image);
Result<> DropInstance(storage::Database& database, const InstanceId& id);
Result<std::vector<KeptInstance>> AllInstances(storage::Database& database);
Result<bool> HasInstance(storage::Database& database, const InstanceId& id);
Result<size_t> CountInstances(storage::Database& database);

// The newest kTransitionsKept moves of all instances together, in a ring.
inline constexpr int64_t kTransitionsKept = 65'536;
Result<> PutTransition(storage::Database& database, int64_t sequence, const Transition& transition);
Result<std::vector<Transition>> TransitionsOf(storage::Database& database, const InstanceId& id);
Result<int64_t> LastTransition(storage::Database& database);

}  // namespace godwit::functions
