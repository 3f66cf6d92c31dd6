// Who owns which instance: each change of it is one compare-and-commit.
#include <utility>

#include "base/ids.h"
#include "base/try.h"
#include "sites/registry.h"
#include "sites/registry_keys.h"

namespace godwit::sites {
namespace {

Result<> Check(std::string_view id, std::string_view owner) {
  if (!InstanceId::Parse(id)) return Fail(Code::kInvalid, "'{}' is no instance's name", id);
  if (!IsNodeName(owner)) return Fail(Code::kInvalid, "'{}' is no node's name", owner);
  return {};
}

std::unexpected<Error> Gone(std::string_view id) {
  return Fail(Code::kStale, "nobody owns instance '{}': it has ended", id);
}

std::unexpected<Error> Other(const InstanceRecord& now, std::string_view owner, int64_t epoch) {
  return Fail(Code::kStale, "instance '{}' is owned by '{}' at epoch {}, not by '{}' at {}", now.id,
              now.owner, now.epoch, owner, epoch);
}

}  // namespace

Answer<InstanceRecord> Registry::Claim(InstanceRecord instance) {
  GODWIT_CO_TRY(Check(instance.id, instance.owner));
  instance.epoch = 1;
  const std::string key = Key(kInstances, instance.id);
  const std::string text = ToJson(instance);
  GODWIT_CO_TRY(co_await Settle(key, [&](const auto& now, bool) -> Result<Plan> {
    if (!now) return Plan{.changes = {{.key = key, .value = text}}};
    if (now->value == text) return Plan{.done = true};
    GODWIT_TRY(const InstanceRecord other, ReadInstance(key, now->value));
    return Fail(Code::kConflict, "instance '{}' is owned by '{}' already", instance.id,
                other.owner);
  }));
  co_return instance;
}

Answer<InstanceRecord> Registry::Transfer(std::string id, std::string from, int64_t epoch,
                                          std::string to) {
  co_return co_await Move(std::move(id), std::move(from), epoch, std::move(to), false);
}

Answer<InstanceRecord> Registry::Renew(std::string id, std::string owner, int64_t epoch) {
  co_return co_await Move(std::move(id), owner, epoch, owner, false);
}

Answer<InstanceRecord> Registry::TakeOver(std::string id, std::string from, int64_t epoch,
                                          std::string to) {
  if (from == to) co_return Fail(Code::kInvalid, "'{}' cannot take over from itself", to);
  auto moved = co_await Move(std::move(id), from, epoch, std::move(to), true);
  if (!moved && moved.error().code() == Code::kBusy)
    co_return std::move(moved).Within("cannot take over from '{}', which lives", from);
  co_return moved;
}

// Only `to` writes "to@epoch+1": so whoever finds that there has done it himself.
Answer<InstanceRecord> Registry::Move(std::string id, std::string from, int64_t epoch,
                                      std::string to, bool from_is_gone) {
  GODWIT_CO_TRY(Check(id, to));
  const std::string key = Key(kInstances, id);
  InstanceRecord next;
  GODWIT_CO_TRY(co_await Settle(key, [&](const auto& now, bool) -> Result<Plan> {
    if (!now) return Gone(id);
    GODWIT_TRY(next, ReadInstance(key, now->value));
    if (next.owner == to && next.epoch == epoch + 1) return Plan{.done = true};
    if (next.owner != from || next.epoch != epoch) return Other(next, from, epoch);
    next.owner = to;
    ++next.epoch;
    Plan plan{.changes = {{.key = key, .value = ToJson(next)}}};
    if (from_is_gone) plan.absent = Key(kAlive, from);
    return plan;
  }));
  co_return next;
}

Answer<> Registry::Update(InstanceRecord instance) {
  GODWIT_CO_TRY(Check(instance.id, instance.owner));
  const std::string key = Key(kInstances, instance.id);
  const std::string text = ToJson(instance);
  co_return co_await Settle(key, [&](const auto& now, bool) -> Result<Plan> {
    if (!now) return Gone(instance.id);
    if (now->value == text) return Plan{.done = true};
    GODWIT_TRY(const InstanceRecord other, ReadInstance(key, now->value));
    if (other.owner != instance.owner || other.epoch != instance.epoch)
      return Other(other, instance.owner, instance.epoch);
    if (other.sequence > instance.sequence)
      return Fail(Code::kStale, "the site knows of a later image of '{}'", instance.id);
    return Plan{.changes = {{.key = key, .value = text}}};
  });
}

Answer<> Registry::Forget(std::string id, std::string owner, int64_t epoch) {
  const std::string key = Key(kInstances, id);
  co_return co_await Settle(key, [&](const auto& now, bool) -> Result<Plan> {
    if (!now) return Plan{.done = true};
    GODWIT_TRY(const InstanceRecord other, ReadInstance(key, now->value));
    if (other.owner != owner || other.epoch != epoch) return Other(other, owner, epoch);
    return Plan{.changes = {{.key = key}}};
  });
}

Answer<std::optional<InstanceRecord>> Registry::FindInstance(std::string id) {
  const std::string key = Key(kInstances, id);
  GODWIT_CO_TRY(const auto entry, co_await coordinator_.Get(key));
  if (!entry) co_return std::nullopt;
  co_return ReadInstance(key, entry->value);
}

}  // namespace godwit::sites
