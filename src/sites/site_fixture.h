#pragma once

// For tests: a script in either world, with a registry over a network that may lose things.
//
// Threads: one. Failure: exceptions, which fail the test.
#include <gmock/gmock.h>

#include <functional>
#include <memory>
#include <type_traits>

#include "base/gate.h"
#include "http/testing.h"
#include "sites/coordinator_worlds.h"
#include "sites/lossy_coordinator.h"
#include "sites/registry.h"

namespace godwit::sites {

// A clock that a test may set.
class TestClock : public SystemClock {
 public:
  WallTime Wall() const override { return SystemClock::Wall() + wall_step; }
  SteadyTime Steady() const override { return SystemClock::Steady() + steady_step; }
  Nanos wall_step{};
  Nanos steady_step{};
};

template <typename World>
class SiteFixture : public testing::Test {
 protected:
  // Run() keeps each script until it has ended.
  // NOLINTBEGIN(cppcoreguidelines-avoid-capturing-lambda-coroutines)
  void Run(std::function<boost::asio::awaitable<void>(Registry&)> script) {
    boost::asio::io_context loop(1);
    loop_ = &loop;
    const std::unique_ptr<Coordinator> coordinator = world_.Open(loop);
    LossyCoordinator lossy(*coordinator);
    Registry registry(lossy, "s1", Log("test", LogLevel::kOff));
    Gate gate(loop.get_executor());
    real_ = coordinator.get();
    network_ = &lossy;
    gate_ = &gate;
    http::testing::RunToEnd(loop, [&]() -> boost::asio::awaitable<void> {
      co_await script(registry);
      co_await gate.Close();
      co_await coordinator->Close();
    });
  }
  // NOLINTEND(cppcoreguidelines-avoid-capturing-lambda-coroutines)

  boost::asio::awaitable<void> Until(std::function<bool()> condition) {
    co_await http::testing::Until(*loop_, std::move(condition));
  }

  static InstanceRecord Instance(std::string owner) {
    return {.id = "i-3f9a0c51b2",
            .owner = std::move(owner),
            .function = "greeter",
            .revision = "r1",
            .call = "c1",
            .home = "a"};
  }
  static Member MemberNamed(std::string name) {
    return {.name = name,
            .address = name + ":9001",
            .fingerprint = "print of " + name,
            .version = "0.1.0",
            .joined = WallTime{Nanos(1)}};
  }

  World world_;
  boost::asio::io_context* loop_ = nullptr;
  Coordinator* real_ = nullptr;
  LossyCoordinator* network_ = nullptr;
  Gate* gate_ = nullptr;
};

struct WorldNames {
  template <typename World>
  static std::string GetName(int) {
    return std::is_same_v<World, EtcdWorld> ? "Etcd" : "Sqlite";
  }
};
using Worlds = testing::Types<SqliteWorld, EtcdWorld>;

}  // namespace godwit::sites
