#pragma once

// The platform on one node: its functions, their crews, and the store behind them.
//
// Threads: the loop. Lifetime: Start() first, co_await Stop() last. Stop() leaves suspended
// instances on disk and ends the others; a process that is killed instead is the same to the next
// Start(), which finds what the journal says. Failure: see Platform; Start() fails only if the
// store cannot be read.
#include <memory>

#include "functions/platform.h"
#include "functions/workplace.h"

namespace godwit::functions {

class Travel;

class LocalPlatform : public Platform {
 public:
  // Puts back what the store holds: functions, suspended instances with their wake-up times, and
  // the Event calls that were accepted and have no result. Calls whose caller is gone and whose
  // instance is lost are recorded as failed.
  virtual Result<> Start() = 0;
  virtual boost::asio::awaitable<void> Stop() = 0;
  // For the rest of the site.
  virtual Travel& travel() = 0;
};

std::unique_ptr<LocalPlatform> MakeLocalPlatform(Workplace& workplace);

}  // namespace godwit::functions
