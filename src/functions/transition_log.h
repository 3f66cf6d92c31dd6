#pragma once

// Every move of every instance, on its way to the journal.
//
// Moves are gathered for a moment and written together. An instance that runs call after call goes
// from READY to BUSY and back thousands of times a second: of such flips within one moment only the
// last is kept, so that the ring in the store remembers what matters. Threads: the loop. Failure:
// the journal logs what it cannot write.
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "functions/lifecycle.h"
#include "storage/journal.h"

namespace godwit::functions {

class TransitionLog {
 public:
  static constexpr Nanos kMoment = std::chrono::milliseconds(100);

  // `last` is the newest sequence number in the store.
  TransitionLog(boost::asio::any_io_executor executor, storage::Journal& journal, int64_t last);
  void Observe(const Transition& transition);
  // Hands what is gathered to the journal now.
  void Flush();

 private:
  boost::asio::steady_timer moment_;
  storage::Journal& journal_;
  int64_t last_;
  std::vector<Transition> gathered_;
  std::unordered_map<InstanceId, size_t>
      flips_;  // where in gathered_ the newest move of an instance is, if it is a flip
};

}  // namespace godwit::functions
