#pragma once

// For tests: the two places in which a Coordinator lives, with what a test may do to them.
//
// Threads: one. Failure: exceptions, which fail the test.
#include <boost/asio/io_context.hpp>
#include <memory>

#include "base/clock.h"
#include "base/try.h"
#include "sites/etcd_coordinator.h"
#include "sites/etcd_server.h"
#include "sites/sqlite_coordinator.h"
#include "storage/test_directory.h"

namespace godwit::sites {

class SqliteWorld {
 public:
  static constexpr size_t kEvents = 64;

  // One at a time.
  std::unique_ptr<Coordinator> Open(boost::asio::io_context& loop) {
    auto opened = SqliteCoordinator::Open(loop.get_executor(), directory_ / "coordinator.db",
                                          clock_, Log("test", LogLevel::kOff), kEvents);
    if (!opened) throw std::runtime_error(opened.error().ToString());
    return *std::move(opened);
  }
  // Whatever was until now is not to be had by a watch any more.
  Answer<> Compact(Coordinator& coordinator) {
    for (size_t i = 0; i <= kEvents; ++i) {
      GODWIT_CO_TRY(co_await coordinator.Commit({}, {{.key = "/filler", .value = "x"}}));
    }
    co_return Result<>();
  }

 private:
  storage::TestDirectory directory_;
  SystemClock clock_;
};

class EtcdWorld {
 public:
  std::unique_ptr<Coordinator> Open(boost::asio::io_context& loop) {
    EtcdOptions options;
    options.endpoints = {server_.endpoint()};
    return std::make_unique<EtcdCoordinator>(loop.get_executor(), options);
  }
  Answer<> Compact(Coordinator& coordinator) {
    GODWIT_CO_TRY(co_await coordinator.Commit({}, {{.key = "/filler", .value = "x"}}));
    GODWIT_CO_TRY(const Listing all, co_await coordinator.List(""));
    server_.Ask("/v3/kv/compaction", fmt::format(R"({{"revision":"{}"}})", all.revision));
    co_return Result<>();
  }

 private:
  EtcdServer server_;
};

}  // namespace godwit::sites
