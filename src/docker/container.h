#pragma once

// A function's walls as a container of the Docker Engine, behind the one interface of all walls.
//
// The container is made and started when it is built, but its program waits (container_json.h)
// until StartFunction(): by then the Runtime API listens in its network namespace. It can be
// stopped (Docker's pause), and neither driven nor checkpointed from here. Its end is seen by its
// process, not by the Engine's word, so that it is seen even if the Engine has gone. Threads: the
// loop. Lifetime: as sandbox::Sandbox has it; the engine outlives it. Failure: as the engine's; a
// container that the Engine could not remove is found by its label at the next start
// (RemoveLeftovers).
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/loop.h"
#include "docker/container_json.h"
#include "docker/engine.h"
#include "sandbox/sandbox.h"

namespace godwit::docker {

boost::asio::awaitable<Result<std::unique_ptr<sandbox::Sandbox>>> BuildContainer(
    boost::asio::any_io_executor executor, Pool& pool, Engine& engine, ContainerPlan plan);

// Removes what an earlier node on this store has left; how many there were.
boost::asio::awaitable<Result<size_t>> RemoveLeftovers(Engine& engine, std::string store);

}  // namespace godwit::docker
