#include "sites/registry.h"

#include <utility>

#include "base/try.h"
#include "sites/registry_keys.h"

namespace godwit::sites {

namespace {

constexpr int kLost = 3;     // tries of which the answer may be lost
constexpr int kBeaten = 32;  // tries in which somebody else may be faster

Change Put(std::string key, std::string value) {
  return {.key = std::move(key), .value = std::move(value)};
}

}  // namespace

Registry::Registry(Coordinator& coordinator, std::string site, Log log)
    : coordinator_(coordinator), site_(std::move(site)), log_(std::move(log)) {}

std::string Registry::Key(std::string_view kind, std::string_view name) const {
  return KeyOf(site_, kind, name);
}

Answer<> Registry::Settle(std::string key, Decide decide) {
  int lost = 0;
  bool maybe = false;
  for (int tries = 0; tries < kBeaten; ++tries) {
    const auto now = co_await coordinator_.Get(key);
    if (!now) {
      if (now.error().code() != Code::kUnavailable || ++lost == kLost)
        co_return std::unexpected(now.error());
      continue;
    }
    GODWIT_CO_TRY(Plan plan, decide(*now, maybe));
    if (plan.done) co_return Result<>();
    std::vector<Compare> compares = {{.key = key, .revision = *now ? (*now)->revision : 0}};
    if (plan.absent) compares.push_back({.key = *plan.absent, .revision = 0});
    const auto done = co_await coordinator_.Commit(std::move(compares), std::move(plan.changes));
    if (!done) {
      if (done.error().code() != Code::kUnavailable || ++lost == kLost)
        co_return std::unexpected(done.error());
      maybe = true;
      continue;
    }
    if (*done) co_return Result<>();
    if (!plan.absent) continue;
    GODWIT_CO_TRY(const auto present, co_await coordinator_.Get(*plan.absent));
    if (present) co_return Fail(Code::kBusy, "'{}' is there", *plan.absent);
  }
  co_return Fail(Code::kBusy, "cannot change '{}': others are always faster (try again)", key);
}

Answer<> Registry::PutFunction(SharedFunction function, std::string seen) {
  const std::string key = Key(kFunctions, function.name);
  std::string text = ToJson(function);
  co_return co_await Settle(key, [&](const auto& now, bool maybe) -> Result<Plan> {
    std::string revision;
    if (now) {
      GODWIT_TRY(const SharedFunction other, ReadFunction(key, now->value));
      if (maybe && other == function) return Plan{.done = true};
      revision = other.revision;
    }
    if (revision != seen)
      return Fail(Code::kStale, "the function '{}' is of revision '{}' on this site, not '{}'",
                  function.name, revision, seen);
    return Plan{.changes = {Put(key, text)}};
  });
}

Answer<std::optional<SharedFunction>> Registry::FindFunction(std::string name) {
  const std::string key = Key(kFunctions, name);
  GODWIT_CO_TRY(const auto entry, co_await coordinator_.Get(key));
  if (!entry) co_return std::nullopt;
  co_return ReadFunction(key, entry->value);
}

Answer<> Registry::RemoveFunction(std::string name) {
  const std::string key = Key(kFunctions, name);
  co_return co_await Settle(key, [&](const auto& now, bool) -> Result<Plan> {
    if (!now) return Plan{.done = true};
    return Plan{.changes = {{.key = key}}};
  });
}

template <typename T>
Answer<Found<T>> Registry::ReadAll(std::string_view kind, Reader<T> read) {
  GODWIT_CO_TRY(const Listing listing, co_await coordinator_.List(PrefixOf(site_, kind)));
  Found<T> found;
  for (const auto& entry : listing.entries) {
    auto one = read(entry.key, entry.value);
    if (one) {
      found.all.push_back(*std::move(one));
    } else {
      found.unreadable.push_back(std::move(one).error());
    }
  }
  co_return found;
}

Answer<Found<SharedFunction>> Registry::Functions() {
  return ReadAll<SharedFunction>(kFunctions, ReadFunction);
}
Answer<Found<Member>> Registry::Members() { return ReadAll<Member>(kMembers, ReadMember); }
Answer<Found<InstanceRecord>> Registry::Instances() {
  return ReadAll<InstanceRecord>(kInstances, ReadInstance);
}

Answer<Found<InstanceRecord>> Registry::InstancesOf(std::string owner) {
  GODWIT_CO_TRY(Found<InstanceRecord> found, co_await Instances());
  std::erase_if(found.all, [&](const InstanceRecord& one) { return one.owner != owner; });
  co_return found;
}

Answer<std::set<std::string>> Registry::Alive() {
  const std::string prefix = PrefixOf(site_, kAlive);
  GODWIT_CO_TRY(const Listing listing, co_await coordinator_.List(prefix));
  std::set<std::string> names;
  for (const auto& entry : listing.entries) {
    if (auto name = NameOf(prefix, entry.key)) names.insert(*std::move(name));
  }
  co_return names;
}

}  // namespace godwit::sites
