#pragma once

// For tests: a Coordinator over a network that loses what it is told to lose.
//
// The commits themselves are those of the real one behind it. Threads: one.
#include <utility>

#include "base/try.h"
#include "sites/coordinator.h"

namespace godwit::sites {

class LossyCoordinator : public Coordinator {
 public:
  explicit LossyCoordinator(Coordinator& real) : real_(real) {}

  int lose_answers = 0;       // of commits that are done
  int lose_commits = 0;       // on their way there
  int lose_commits_then = 0;  // as lose_commits, from when one was held back
  int hold_commits = 0;       // done only by Deliver(), after their callers were told of nothing
  bool away = false;          // nothing gets through
  int looks = 0;              // Get()s that were asked for
  int beats = 0;              // keep-alives that were answered
  std::function<Answer<>()> before_commit{};  // what somebody else does between look and commit

  std::function<Answer<>()> before_watch{};

  // What was held back arrives.
  Answer<bool> Deliver() {
    auto held = std::exchange(held_, {});
    co_return co_await real_.Commit(held.first, held.second);
  }

  Answer<std::optional<Entry>> Get(std::string key) override {
    ++looks;
    if (away) co_return Lost();
    co_return co_await real_.Get(key);
  }
  Answer<Listing> List(std::string prefix) override {
    if (away) co_return Lost();
    co_return co_await real_.List(prefix);
  }
  Answer<bool> Commit(std::vector<Compare> compares, std::vector<Change> changes) override {
    if (auto act = std::exchange(before_commit, {})) GODWIT_CO_TRY(co_await act());
    if (away || (lose_commits > 0 && lose_commits-- > 0)) co_return Lost();
    if (hold_commits > 0 && hold_commits-- > 0) {
      held_ = {std::move(compares), std::move(changes)};
      lose_commits = std::exchange(lose_commits_then, 0);
      co_return Lost();
    }
    const auto done = co_await real_.Commit(compares, changes);
    if (lose_answers > 0 && lose_answers-- > 0) co_return Lost();
    co_return done;
  }
  Answer<Lease> GrantLease(Nanos ttl) override {
    if (away) co_return Lost();
    co_return co_await real_.GrantLease(ttl);
  }
  Answer<Nanos> KeepAlive(LeaseId lease) override {
    if (away) co_return Lost();
    auto kept = co_await real_.KeepAlive(lease);
    if (kept) ++beats;
    co_return kept;
  }
  Answer<> RevokeLease(LeaseId lease) override {
    if (away) co_return Lost();
    co_return co_await real_.RevokeLease(lease);
  }
  Answer<> Watch(std::string prefix, int64_t from, Sink sink) override {
    if (auto act = std::exchange(before_watch, {})) GODWIT_CO_TRY(co_await act());
    if (away) co_return Lost();
    co_return co_await real_.Watch(prefix, from, std::move(sink));
  }
  boost::asio::awaitable<void> Close() override { co_return; }

 private:
  static std::unexpected<Error> Lost() { return Fail(Code::kUnavailable, "lost on the way"); }

  Coordinator& real_;
  std::pair<std::vector<Compare>, std::vector<Change>> held_;
};

}  // namespace godwit::sites
