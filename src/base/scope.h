#pragma once

// Runs something when a scope is left, whichever way.
//
//   ScopeExit unmount([&] { Unmount(path); });
//   ...
//   unmount.Release();  // the work succeeded: keep the mount
//
// Threads: the scope's own. Failure: the action must not throw.
#include <utility>

namespace godwit {

template <typename Action>
class [[nodiscard]] ScopeExit {
 public:
  explicit ScopeExit(Action action) : action_(std::move(action)) {}
  ~ScopeExit() {
    if (armed_) action_();
  }
  ScopeExit(const ScopeExit&) = delete;
  ScopeExit& operator=(const ScopeExit&) = delete;

  void Release() { armed_ = false; }

 private:
  Action action_;
  bool armed_ = true;
};

}  // namespace godwit
