#pragma once

// What the nodes of a site agree on: keys and values with compare-and-commit, leases, watches.
//
// Two implementations: SqliteCoordinator for a lone node, EtcdCoordinator for several. Both keep
// one order of commits: each that changes something has a number, its revision, and readers see
// all commits up to some revision and none beyond it. Reads are of the newest state, never of an
// old copy. Keys and values are bytes; a site's keys are made in registry_keys.h.
//
// Threads: one loop; nothing blocks it. A call that was begun may be cancelled at any wait; what
// it was to change is then done or not. Lifetime: outlives all calls, watches first. Failure:
// kUnavailable if it cannot be reached within a bounded time, with the endpoint and the way out;
// kTooLarge beyond the limits below; kDenied; kCorrupt for an answer that is none. After
// kUnavailable from Commit() it is not known whether it was done, and it may even be done later:
// ask with Get(), and where that shows the old state, commit again. A compare makes that safe.
#include <boost/asio/awaitable.hpp>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"

namespace godwit::sites {

template <typename T = void>
using Answer = boost::asio::awaitable<Result<T>>;

// etcd refuses requests beyond 1.5 MiB and transactions of more than 128 operations.
inline constexpr size_t kMaxKey = size_t{1} << 10;
inline constexpr size_t kMaxValue = size_t{512} << 10;
inline constexpr size_t kMaxCommit = size_t{1} << 20;  // keys and values of one
inline constexpr size_t kMaxChanges = 64;              // compares, and changes, of one

struct LeaseId {
  int64_t number = 0;
  auto operator<=>(const LeaseId&) const = default;
};

struct Lease {
  LeaseId id{};
  Nanos ttl{};  // what was granted: no less than what was asked for
};

struct Entry {
  std::string key{};
  std::string value{};
  int64_t revision = 0;  // of its last change; greater than zero
  bool operator==(const Entry&) const = default;
};

// All entries as they were at `revision`.
struct Listing {
  std::vector<Entry> entries{};  // in the order of their keys
  int64_t revision = 0;          // watch from the next one on
};

// What must hold for a commit; of the two, those that are given.
struct Compare {
  std::string key{};
  std::optional<int64_t> revision{};  // 0: the key is absent
  std::optional<std::string> value{};
};

// What a commit does. Each key at most once.
struct Change {
  std::string key{};
  std::optional<std::string> value{};  // none: the key is deleted
  std::optional<LeaseId> lease{};      // the key goes when that ends; without it, it stays
};

// What was done to a key.
struct Event {
  std::string key{};
  std::optional<std::string> value{};  // none: it was deleted, or its lease has ended
  int64_t revision = 0;
  bool operator==(const Event&) const = default;
};

class Coordinator {
 public:
  // Gets the events of one commit, or of several, in order. Called on the loop; must not wait.
  using Sink = std::function<void(const std::vector<Event>& events)>;

  Coordinator() = default;
  Coordinator(const Coordinator&) = delete;
  Coordinator& operator=(const Coordinator&) = delete;
  virtual ~Coordinator() = default;

  virtual Answer<std::optional<Entry>> Get(std::string key) = 0;
  // All keys that begin with the prefix.
  virtual Answer<Listing> List(std::string prefix) = 0;
  // All changes, if all compares hold; else false, and nothing is changed. kNotFound: a lease of
  // it has ended.
  virtual Answer<bool> Commit(std::vector<Compare> compares, std::vector<Change> changes) = 0;

  // A lease ends `ttl` after it was granted or kept alive last, by the coordinator's own clock.
  virtual Answer<Lease> GrantLease(Nanos ttl) = 0;
  // How long it holds from now on. kNotFound: it has ended.
  virtual Answer<Nanos> KeepAlive(LeaseId lease) = 0;
  // Ends it now, and its keys with it. One that has ended is none the worse for it.
  virtual Answer<> RevokeLease(LeaseId lease) = 0;

  // Tells `sink` of each change to a key that begins with the prefix, from that revision on, each
  // once and in order, until it is cancelled or fails. kStale: what happened since that revision
  // is not known any more (compacted): List() anew, and watch from there. kUnavailable: lost, and
  // not to be had from any endpoint: watch again from behind the last event that came.
  virtual Answer<> Watch(std::string prefix, int64_t from, Sink sink) = 0;

  // Ends what it has under way, and what it does in the background. Call it last.
  virtual boost::asio::awaitable<void> Close() = 0;
};

}  // namespace godwit::sites
