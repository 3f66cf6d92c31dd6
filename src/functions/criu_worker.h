#pragma once

// Starts CRIU inside an instance's walls.
//
// Threads: the loop. Failure: an Error that names the step; nothing is left running.
#include <boost/asio/awaitable.hpp>

#include "checkpoint/criu.h"
#include "sandbox/sandbox.h"

namespace godwit::functions {

boost::asio::awaitable<Result<checkpoint::Worker>> StartCriu(sandbox::Sandbox& walls,
                                                             const Fd& program,
                                                             sandbox::DriverOptions options);

}  // namespace godwit::functions
