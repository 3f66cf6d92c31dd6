#pragma once

// Callbacks: what somebody outside tells a call that runs, waits for its turn, or is put away.
//
// A call's callbacks are a list in the store, numbered from 0. They stay there until the call ends:
// whoever waits for number N gets number N, as often as it asks, so that neither a broken
// connection nor another attempt after a restart loses one. A synchronous call is put into the
// store with its first callback. Threads: the loop. Lifetime: until the instances of `crews` are
// closed. Failure: as Deliver() of Platform has it.
#include <boost/asio/awaitable.hpp>

#include "base/error.h"
#include "functions/away_calls.h"
#include "functions/crews.h"
#include "functions/model.h"
#include "functions/workplace.h"

namespace godwit::functions {

class Callbacks {
 public:
  Callbacks(Workplace& workplace, Crews& crews, AwayCalls& away)
      : work_(workplace), crews_(crews), away_(away) {}

  // No more.
  void Close() { closing_ = true; }
  boost::asio::awaitable<Result<uint32_t>> Deliver(Callback callback);

 private:
  // Who runs it, or has it while it is put away; nullptr if nobody does.
  Instance* InstanceOf(const RequestId& call) const;

  Workplace& work_;
  Crews& crews_;
  AwayCalls& away_;
  bool closing_ = false;
};

}  // namespace godwit::functions
