#pragma once

// Lambda's Runtime API 2018-06-01, served to one instance on a socket inside its network namespace.
//
// Any runtime that is written against the public API works: several connections, pipelined
// requests, chunked responses, one GET .../next at a time. What a suspension needs of it is the
// contract of functions/runtime_port.h. Threads: the loop. Lifetime: Close() before it is
// destroyed; the instance outlives it. Failure: as in runtime_port.h; what goes wrong on one
// connection ends that connection.
#include <boost/asio/any_io_executor.hpp>

#include "base/log.h"
#include "functions/runtime_port.h"

namespace godwit::aws {

// Each endpoint takes over a socket that listens already.
functions::RuntimeEndpointFactory MakeRuntimeEndpoints(boost::asio::any_io_executor executor,
                                                       Log log);

}  // namespace godwit::aws
