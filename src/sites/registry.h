#pragma once

// What a site knows: who belongs to it, who lives, its functions, and where each instance lives.
//
// Typed, over a Coordinator; keys and values are in docs/formats/registry.md, who may do what when
// an answer is lost in docs/adr/0016. Each change of an instance is one commit that compares owner
// and epoch, so that of two who want it one gets it, and the other kStale with the truth. Such a
// change may be asked for again with the same arguments: what is done already counts as done. An
// answer that is lost is asked for here, a few times; kUnavailable then means that it is not known
// whether it was done, or will be: whoever gets that acts as if it were not his, and asks again.
//
// Threads: one loop. Lifetime: the Coordinator outlives it, it outlives its calls and watches.
// Failure: as the Coordinator's; kConflict: a name is taken; kNotFound; kStale: somebody else was
// first, or it never was as the caller thinks; kInvalid: not a record; kUnsupported: a newer
// program wrote it. Lists leave out what cannot be read, and say so.
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "sites/coordinator.h"
#include "sites/records.h"

namespace godwit::sites {

template <typename T>
struct Found {
  std::vector<T> all{};
  std::vector<Error> unreadable{};
};

class Registry {
 public:
  // `site`: the site's id.
  Registry(Coordinator& coordinator, std::string site, Log log);

  // kConflict: the name is taken by a node with another certificate; the same member again is
  // fine.
  Answer<> AddMember(Member member);
  // Its presence goes with it. kNotFound.
  Answer<> RemoveMember(std::string name);
  // kStale if it was removed meanwhile: for a new address, certificate or version.
  Answer<> UpdateMember(Member member);
  Answer<std::optional<Member>> FindMember(std::string name);
  Answer<Found<Member>> Members();

  // The token can be taken once, within `ttl`.
  Answer<> PutToken(std::string hash, Nanos ttl);
  // Exactly one taker gets it, and gets it again if he asks again: his answer may have been lost.
  // kDenied for all others, and when there is no such token or it has ended: which, is not said.
  Answer<> TakeToken(std::string hash, std::string taker);

  // Kept as it is if `seen` is still the revision id there; empty: only if there is none. kStale.
  Answer<> PutFunction(SharedFunction function, std::string seen);
  Answer<std::optional<SharedFunction>> FindFunction(std::string name);
  Answer<Found<SharedFunction>> Functions();
  // Fine if there is none.
  Answer<> RemoveFunction(std::string name);

  // Absent → owner@1. kConflict: somebody has that id. `epoch` of the argument does not count.
  Answer<InstanceRecord> Claim(InstanceRecord instance);
  // By the target, when it has the image safe: from@epoch → to@epoch+1.
  Answer<InstanceRecord> Transfer(std::string id, std::string from, int64_t epoch, std::string to);
  // By the owner: owner@epoch → owner@epoch+1, so that nobody can still act on the old epoch.
  Answer<InstanceRecord> Renew(std::string id, std::string owner, int64_t epoch);
  // By another, when the owner's lease has ended: from@epoch → to@epoch+1, iff `from` does not
  // live. kBusy: it lives.
  Answer<InstanceRecord> TakeOver(std::string id, std::string from, int64_t epoch, std::string to);
  // By the owner: all but owner and epoch, which must be those of the record; its sequence number
  // never goes back.
  Answer<> Update(InstanceRecord instance);
  // By the owner, when the instance has ended. Fine if there is none.
  Answer<> Forget(std::string id, std::string owner, int64_t epoch);
  Answer<std::optional<InstanceRecord>> FindInstance(std::string id);
  Answer<Found<InstanceRecord>> Instances();
  Answer<Found<InstanceRecord>> InstancesOf(std::string owner);

  // Who lives.
  Answer<std::set<std::string>> Alive();

  // Tell all that there is, then each change, until they are cancelled; after a gap they tell all
  // again. They go on by themselves when the coordinator is away for a while. Callbacks are called
  // on the loop and do not wait.
  struct InstanceWatcher {
    std::function<void(const std::vector<InstanceRecord>& all)> all;
    // None: it is forgotten.
    std::function<void(const std::string& id, const std::optional<InstanceRecord>& now)> changed;
  };
  boost::asio::awaitable<void> WatchInstances(InstanceWatcher watcher);
  struct AliveWatcher {
    std::function<void(const std::set<std::string>& all)> all;
    std::function<void(const std::string& name, bool alive)> changed;
  };
  boost::asio::awaitable<void> WatchAlive(AliveWatcher watcher);
  struct MemberWatcher {
    std::function<void(const std::vector<Member>& all)> all;
    // None: it has left, or was evicted.
    std::function<void(const std::string& name, const std::optional<Member>& now)> changed;
  };
  boost::asio::awaitable<void> WatchMembers(MemberWatcher watcher);

  Coordinator& coordinator() { return coordinator_; }
  const std::string& site() const { return site_; }

 private:
  // What to do about an entry as it is now.
  struct Plan {
    bool done = false;  // there is nothing (more) to do
    std::vector<Change> changes{};
    std::optional<std::string> absent{};  // a key that must not be there
  };
  // `maybe`: a commit of an earlier plan may have been done, its answer was lost.
  using Decide = std::function<Result<Plan>(const std::optional<Entry>& now, bool maybe)>;
  // Looks at the key, decides, and commits if it is still as it was, until that is settled.
  Answer<> Settle(std::string key, Decide decide);
  Answer<InstanceRecord> Move(std::string id, std::string from, int64_t epoch, std::string to,
                              bool from_is_gone);
  template <typename T>
  using Reader = Result<T> (*)(std::string_view key, std::string_view json);
  template <typename T>
  Answer<Found<T>> ReadAll(std::string_view kind, Reader<T> read);
  template <typename T, typename Watcher>
  boost::asio::awaitable<void> WatchAll(std::string_view kind, Reader<T> read,
                                        const Watcher& watcher);
  boost::asio::awaitable<void> Follow(std::string kind,
                                      std::function<void(const std::vector<Entry>&)> all,
                                      std::function<void(const Event&, std::string name)> changed);

  std::string Key(std::string_view kind, std::string_view name) const;

  Coordinator& coordinator_;
  std::string site_;
  Log log_;
};

}  // namespace godwit::sites
