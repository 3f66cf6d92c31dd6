#pragma once

// For tests: a store in a directory of its own and a loop, but nothing that runs a function.
//
// Threads: one, which runs the loop in Run(). Failure: aborts the test program.
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/files.h"
#include "functions/image_shelf.h"
#include "functions/schema.h"
#include "functions/workplace.h"
#include "storage/migrations.h"
#include "storage/node_key.h"
#include "storage/test_directory.h"
#include "storage/test_zip.h"

namespace godwit::functions {

inline FunctionSpec SpecOf(const std::string& name) {
  FunctionSpec spec;
  spec.name = name;
  spec.runtime = "python3";
  spec.handler = "app.handler";
  return spec;
}

inline std::string ZipOf(const std::string& text) { return storage::MakeZip({{"app.py", text}}); }

class TestPlace {
 public:
  TestPlace() {
    for (const char* name : {"code", "instances", "logs"})
      std::filesystem::create_directory(home / name);
    workplace.images = &images;
  }
  ~TestPlace() {
    pool.join();
    journal.Close();
  }

  // Begins all, in this order, and runs the loop until the last has ended.
  template <typename... T>
  std::tuple<T...> Run(boost::asio::awaitable<T>... work) {
    std::tuple<std::optional<T>...> results;
    size_t left = sizeof...(T);
    const auto begin = [&]<typename One>(boost::asio::awaitable<One> one,
                                         std::optional<One>& result) {
      boost::asio::co_spawn(loop, std::move(one), [&](std::exception_ptr escaped, One value) {
        if (escaped) std::rethrow_exception(escaped);
        result.emplace(std::move(value));
        --left;
      });
    };
    std::apply([&](auto&... result) { (begin(std::move(work), result), ...); }, results);
    const auto more_may_come = boost::asio::make_work_guard(loop);
    loop.restart();
    while (left != 0) loop.run_one();
    return std::apply([](auto&... result) { return std::tuple<T...>(*std::move(result)...); },
                      results);
  }
  template <typename T>
  T RunOne(boost::asio::awaitable<T> work) {
    return std::get<0>(Run(std::move(work)));
  }

  void RemoveBlob(const std::string& id) { std::filesystem::remove(BlobPath(id)); }
  bool HasBlob(const std::string& id) const { return std::filesystem::exists(BlobPath(id)); }

  // Where it is; no file's path if it is not there.
  std::string BlobPath(const std::string& id) const {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(home / "blobs")) {
      const std::string name = entry.path().filename();
      if (entry.is_regular_file() && !name.empty() && id.ends_with(name)) return entry.path();
    }
    return home / "no-such-blob";
  }

  storage::TestDirectory home;
  boost::asio::io_context loop{1};
  Pool pool{2};
  SystemClock clock;
  SystemEntropy entropy;
  Log log{"test", LogLevel::kOff};
  std::unique_ptr<Files> files = DiskFiles();
  storage::NodeKey key = storage::LoadNodeKey(*files, home.path(), entropy).value();
  std::unique_ptr<storage::Blobs> blobs = storage::Blobs::Open(home.path(), key, entropy).value();
  storage::Journal journal{OpenDatabase(), log};
  sandbox::CgroupTree cgroups = MakeGroups();
  std::vector<Transition> moves;
  Workplace workplace{loop.get_executor(),
                      pool,
                      sandbox::Workshop{pool, cgroups, -1, -1, nullptr},
                      *blobs,
                      journal,
                      clock,
                      entropy,
                      log,
                      Settings{},
                      Directories{home / "base", home / "instances", home / "staging",
                                  home / "code", home / "runtimes", home / "logs", ""},
                      Fd(),
                      "this boot",
                      {},
                      [this](const Transition& move) { moves.push_back(move); }};
  ImageShelf images{workplace};  // which removes nothing, for nobody tells it to begin

 private:
  // Files that stand for a hierarchy.
  sandbox::CgroupTree MakeGroups() const {
    const std::string root = home / "groups";
    for (const std::string& directory : {root, root + "/store"}) {
      std::filesystem::create_directory(directory);
      std::ofstream(directory + "/cgroup.subtree_control") << "";
    }
    return sandbox::CgroupTree::Open("store", "30 1 0:26 / " + root + " rw - cgroup2 cgroup2 rw\n",
                                     "0::/\n")
        .value();
  }
  storage::Database OpenDatabase() const {
    auto database = storage::Database::Open(home / "godwit.db").value();
    storage::Migrate(database, Migrations()).value();
    return database;
  }
};

}  // namespace godwit::functions
