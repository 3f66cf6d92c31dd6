#pragma once

// What every instance of a node needs, made once by node/ and passed down.
//
// Threads: constant after start-up; what it refers to says its own. Lifetime: outlives all
// instances.
#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/entropy.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "checkpoint/pager.h"
#include "functions/function_log.h"
#include "functions/lifecycle.h"
#include "functions/runtime_port.h"
#include "network/network.h"
#include "placement/governor.h"
#include "sandbox/sandbox.h"
#include "storage/blobs.h"
#include "storage/journal.h"

namespace godwit::functions {

class Abroad;
class Bakery;
struct PendingCall;
class ImageShelf;

struct Settings {
  Nanos blocked_after =
      std::chrono::seconds(1);  // a busy instance that ran no instruction for so long is put away
  Nanos freeze_after =
      std::chrono::seconds(1);  // a ready instance without a call for so long is frozen
  Nanos idle_after =
      std::chrono::seconds(10);  // a ready instance without a call for so long is put away
  bool keep_awake = false;       // nothing is put away by itself
  bool durable_suspend = false;  // a suspension is told when it would survive a power cut
  uint64_t memory_budget = 0;    // bytes that all instances together may hold; 0: no limit
  int max_instances = 1000;      // of a function
  size_t kept_walls = 32;        // of instances that are put away: see WallKeeper
  int max_starting = 4;          // at the same time, of the node
  int max_queued = 1000;         // calls of a function that wait for an instance
  Nanos keep_results = std::chrono::hours(24);
  bool prebake = true;                 // functions have templates, unless they say otherwise
  uint64_t template_cache = 64 << 20;  // bytes of templates that are kept unpacked
  std::string runtimes;                // which runtimes these are: a hash of all their files
  std::string region = "us-east-1";
  std::string account = "000000000000";
  std::string engine = "native";  // of functions that do not say
  std::string node_name;          // in its site; empty: it is alone
};

struct Directories {
  std::string base;         // the sandbox's read-only root
  std::string instances;    // one directory an instance
  std::string staging;      // on a tmpfs: images on their way
  std::string code;         // unpacked functions
  std::string runtimes;     // python3/, nodejs/
  std::string logs;         // one directory a function
  std::string kdat;         // CRIU's kernel facts; empty without CRIU
  std::string images = {};  // the root file systems of images, and what is on its way
};

class Containers;  // containers.h

struct Workplace {
  boost::asio::any_io_executor executor;
  Pool& pool;
  sandbox::Workshop workshop;
  storage::Blobs& blobs;
  storage::Journal& journal;
  const Clock& clock;
  Entropy& entropy;
  Log log;
  Settings settings;
  Directories directories;
  Fd criu;           // the program; none: nothing can be put away
  std::string boot;  // the kernel's boot id
  RuntimeEndpointFactory endpoints;
  Lifecycle::Observer observe;  // journals every transition
  int suspending = 0;           // suspensions under way: each has its image in memory twice
  int ready_workers = 0;        // of CRIU, that wait for work (CriuWorker)
  // When a suspended instance is due and how long its way back takes; that it is not. Set by the
  // platform.
  std::function<void(const InstanceId&, SteadyTime, Nanos)> wake_at = {};
  std::function<void(const InstanceId&)> no_wake = {};
  network::Network* network = nullptr;  // none: functions have none
  // None: memory comes back before its process runs, and none is put away in place.
  checkpoint::Pager* pager = nullptr;
  placement::Pressure pressure = {};  // measured by Room
  // That one is put away and its walls stand; when it is wanted, if that is known. Set likewise.
  std::function<void(const InstanceId&, std::optional<SteadyTime>)> walls_stand = {};
  Nanos walls_cost = std::chrono::milliseconds(50);  // to build them anew: learnt
  Bakery* bakery = nullptr;                          // none: nothing is cloned; set by the platform
  ImageShelf* images = nullptr;                      // set by the platform
  Abroad* abroad = nullptr;                          // none: the node is alone
  // A call whose instance was taken over by another node. Set by the platform.
  std::function<void(const InstanceId&, PendingCall)> fenced = {};
  Containers* containers = nullptr;  // none: no function runs at a Docker Engine
  FunctionLogs logs = FunctionLogs(directories.logs);

  std::string FunctionArn(const std::string& name) const;
  // CLOCK_MONOTONIC of an instance with that offset, now.
  Nanos InstanceClock(Nanos offset) const { return clock.Steady().since_boot + offset; }
};

}  // namespace godwit::functions
