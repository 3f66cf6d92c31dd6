#include "sites/etcd_coordinator.h"

#include <algorithm>
#include <utility>

#include "base/try.h"
#include "sites/limits.h"
#include "sites/prefix.h"

namespace godwit::sites {

namespace asio = boost::asio;

namespace {

constexpr int64_t kPage = 512;  // entries of a list that come at once
constexpr int kLists = 3;       // tries of a list that is compacted meanwhile
constexpr size_t kMaxHeld = size_t{64} << 20;
constexpr Nanos kMaxTtl = std::chrono::hours(24 * 365);

std::unexpected<Error> Wrong(std::string_view what) {
  return Fail(Code::kCorrupt, "etcd answers with {} that nobody asked for", what);
}

// All keys: from the first one on, as etcd has it.
std::string FirstOf(const std::string& prefix) {
  return prefix.empty() ? std::string(1, '\0') : prefix;
}
std::string EndOf(const std::string& prefix) {
  return EndOfPrefix(prefix).value_or(std::string(1, '\0'));
}

}  // namespace

// One watch, over as many requests as it takes.
class EtcdCoordinator::Watching {
 public:
  Watching(std::string prefix, int64_t from, Sink sink)
      : prefix_(std::move(prefix)), next_(from), sink_(std::move(sink)) {}

  std::string Request() {
    held_.clear();
    bytes_ = 0;
    heard_ = false;
    return etcd::WatchRequest(FirstOf(prefix_), EndOf(prefix_), next_);
  }
  // Something came over the last request.
  bool heard() const { return heard_; }
  Result<> Take(std::string_view line, etcd::Link& link);

 private:
  std::string prefix_;
  int64_t next_;
  Sink sink_;
  std::vector<Event> held_;  // of lines that are not the last of theirs
  size_t bytes_ = 0;
  bool heard_ = false;
};

Result<> EtcdCoordinator::Watching::Take(std::string_view line, etcd::Link& link) {
  GODWIT_TRY(etcd::Watched watched, etcd::ReadWatched(line));
  if (watched.compacted != 0) {
    return Fail(Code::kStale, "what happened at revision {} is compacted, up to {}", next_,
                watched.compacted);
  }
  if (watched.cancelled) return std::unexpected(link.Refused(etcd::ReadReason(watched.reason)));
  for (auto& event : watched.events) {
    if (event.revision < next_ || !event.key.starts_with(prefix_)) return Wrong("an event");
    bytes_ += event.key.size() + (event.value ? event.value->size() : 0);
    held_.push_back(std::move(event));
  }
  if (bytes_ > kMaxHeld) return Fail(Code::kTooLarge, "etcd tells too much at once");
  if (watched.fragment || held_.empty()) return {};
  heard_ = true;
  bytes_ = 0;
  next_ = held_.back().revision + 1;
  sink_(std::exchange(held_, {}));
  return {};
}

EtcdCoordinator::EtcdCoordinator(asio::any_io_executor executor, EtcdOptions options)
    : link_(std::move(executor), std::move(options)) {}

Answer<std::optional<Entry>> EtcdCoordinator::Get(std::string key) {
  GODWIT_CO_TRY(CheckKey(key));
  GODWIT_CO_TRY(const std::string body,
                co_await link_.Ask("/v3/kv/range", etcd::RangeRequest(key, {}, 0, 0)));
  GODWIT_CO_TRY(etcd::Range range, etcd::ReadRange(body));
  if (range.entries.empty()) co_return std::nullopt;
  if (range.entries.size() > 1 || range.entries.front().key != key) co_return Wrong("a key");
  co_return std::move(range.entries.front());
}

Answer<Listing> EtcdCoordinator::List(std::string prefix) {
  int64_t page = kPage;
  for (int tries = 1;;) {
    Result<Listing> listing = co_await ListOnce(prefix, page);
    if (listing) co_return listing;
    const Code code = listing.error().code();
    if (code == Code::kTooLarge && page > 1) {
      page /= 8;
    } else if (code != Code::kStale || tries++ == kLists) {
      co_return listing;
    }
  }
}

Answer<Listing> EtcdCoordinator::ListOnce(const std::string& prefix, int64_t page) {
  Listing listing;
  std::string first = FirstOf(prefix);
  const std::string end = EndOf(prefix);
  while (true) {
    GODWIT_CO_TRY(
        const std::string body,
        co_await link_.Ask("/v3/kv/range", etcd::RangeRequest(first, end, page, listing.revision)));
    GODWIT_CO_TRY(etcd::Range range, etcd::ReadRange(body));
    // All pages are of the state that the first one was of.
    if (listing.revision == 0) listing.revision = range.revision;
    for (auto& entry : range.entries) {
      if (!entry.key.starts_with(prefix) || entry.key < first ||
          entry.revision > listing.revision) {
        co_return Wrong("a key");
      }
      listing.entries.push_back(std::move(entry));
    }
    if (!range.more) co_return listing;
    if (range.entries.empty()) co_return Wrong("a page without keys");
    first = listing.entries.back().key + '\0';
  }
}

Answer<bool> EtcdCoordinator::Commit(std::vector<Compare> compares, std::vector<Change> changes) {
  GODWIT_CO_TRY(CheckCommit(compares, changes));
  const auto body = co_await link_.AskOnce("/v3/kv/txn", etcd::TxnRequest(compares, changes));
  Result<bool> done = body ? etcd::ReadTxn(*body) : std::unexpected(body.error());
  // An answer that cannot be read is as good as lost.
  if (!done && done.error().code() == Code::kCorrupt)
    co_return Fail(Code::kUnavailable, "{}", done.error().reason());
  co_return done;
}

Answer<Lease> EtcdCoordinator::GrantLease(Nanos ttl) {
  if (ttl <= Nanos::zero() || ttl > kMaxTtl)
    co_return Fail(Code::kInvalid, "a lease must last, for a year at most");
  const int64_t seconds = std::chrono::ceil<std::chrono::seconds>(ttl).count();
  GODWIT_CO_TRY(const std::string body,
                co_await link_.Ask("/v3/lease/grant", etcd::GrantRequest(seconds)));
  GODWIT_CO_TRY(const etcd::Grant grant, etcd::ReadGrant(body));
  if (grant.seconds < seconds) co_return Wrong("a shorter lease");
  co_return Lease{grant.lease, std::chrono::seconds(grant.seconds)};
}

Answer<Nanos> EtcdCoordinator::KeepAlive(LeaseId lease) {
  GODWIT_CO_TRY(const std::string body,
                co_await link_.Ask("/v3/lease/keepalive", etcd::LeaseRequest(lease)));
  GODWIT_CO_TRY(const etcd::Grant grant, etcd::ReadKeepAlive(body));
  if (grant.lease != lease) co_return Wrong("a lease");
  if (grant.seconds == 0) co_return Fail(Code::kNotFound, "the lease {} has ended", lease.number);
  co_return Nanos(std::chrono::seconds(grant.seconds));
}

Answer<> EtcdCoordinator::RevokeLease(LeaseId lease) {
  const auto answer = co_await link_.Ask("/v3/lease/revoke", etcd::LeaseRequest(lease));
  if (answer || answer.error().code() == Code::kNotFound) co_return Result<>();
  co_return std::unexpected(answer.error());
}

Answer<> EtcdCoordinator::Watch(std::string prefix, int64_t from, Sink sink) {
  if (from <= 0) co_return Fail(Code::kInvalid, "a watch begins at a revision");
  Watching watching(std::move(prefix), from, std::move(sink));
  size_t failures = 0;
  while (true) {
    const Result<> ended =
        co_await link_.Follow("/v3/watch", watching.Request(),
                              [&](std::string_view line) { return watching.Take(line, link_); });
    if (ended || watching.heard()) failures = 0;
    if (ended) continue;
    // kDenied: the token may only have been too old.
    const Code code = ended.error().code();
    const bool again = code == Code::kUnavailable || code == Code::kDenied;
    if (!again || ++failures > link_.options().endpoints.size()) co_return ended;
  }
}

asio::awaitable<void> EtcdCoordinator::Close() {
  link_.Close();
  co_return;
}

}  // namespace godwit::sites
