#pragma once

// The walls around one instance, and the way to run something inside them.
//
// A Sandbox is an init process in its own mount, pid, network, ipc and uts namespaces (its children
// in a time namespace of their own), and a control group. It ends when it is destroyed, or with
// this process: init watches its control socket. Threads: the loop. Lifetime: Destroy() before the
// destructor, or the destructor kills without waiting. Failure: an Error that names the step;
// kClosing once the sandbox has ended.
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "base/loop.h"
#include "sandbox/cgroup.h"
#include "sandbox/init/protocol.h"
#include "sandbox/nursery.h"
#include "sandbox/rootfs.h"

namespace godwit::sandbox {

struct Process {
  int inside = 0;   // pid in the sandbox
  int outside = 0;  // pid on the host
};

struct Program {
  std::vector<std::string> argv;         // argv[0] is a path inside
  std::vector<std::string> environment;  // NAME=value
  std::string directory;                 // inside
  uint32_t uid = 0;                      // and group
  uint32_t max_files = 1024;
};

struct DriverOptions {
  uint32_t real_uid = 0;            // it is root, but some calls look at the real user only
  int first_pid = kFirstDriverPid;  // its pid inside, and above: out of the way of what it restores
  bool aside = false;  // what is started after it gets pids as if it had not been started
};

// What all sandboxes of a node share.
struct Workshop {
  Pool& pool;
  const CgroupTree& cgroups;
  int init_program;  // of LoadInitProgram()
  int filter;        // of BuildFilter()
  const Nursery* nursery;
};

class Sandbox {
 public:
  using ExitHandler = std::function<void(int inside, int status)>;

  Sandbox() = default;
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;
  virtual ~Sandbox() = default;

  // The function itself: unprivileged, filtered, in the control group.
  virtual boost::asio::awaitable<Result<Process>> StartFunction(Program program) = 0;
  // `program` (an open executable) as root inside the walls, `channel` as its descriptor 3. What it
  // leaves behind when it ends becomes init's child. Outside the instance's control group.
  virtual boost::asio::awaitable<Result<Process>> StartDriver(int program, Fd channel,
                                                              std::vector<std::string> argv,
                                                              DriverOptions options) = 0;
  // A fresh TCP socket in the sandbox's network namespace.
  virtual boost::asio::awaitable<Result<Fd>> MakeSocket() = 0;
  // The host's pid of a process inside; kNotFound.
  // From now on new processes inside get pids from `next` on; 0: as they come.
  virtual boost::asio::awaitable<Result<int>> Find(int inside, int next) = 0;
  // Process 1 keeps a copy of `fd` as `key`, until it is let go of or until everything inside is
  // dead, should this process die.
  virtual boost::asio::awaitable<Result<>> Hold(uint64_t key, Fd fd) = 0;
  virtual boost::asio::awaitable<Result<>> LetGo(uint64_t key) = 0;
  // Before cgroup().Freeze(): process 1 can thaw it, should it have to kill all inside.
  virtual boost::asio::awaitable<Result<>> MayFreeze() = 0;
  // The listening socket at 127.0.0.1:kRuntimeApiPort; empty the second time.
  virtual Fd TakeListener() = 0;
  // Called for each process that init reaps.
  virtual void OnExit(ExitHandler handler) = 0;
  // Called if it ends by itself: init was killed, and all inside with it.
  virtual void OnEnd(std::function<void()> handler) = 0;
  virtual const Cgroup& cgroup() const = 0;
  // Whether the kernel has ended a process in it for want of memory.
  virtual bool ran_out_of_memory() const { return cgroup().OomKills() > 0; }
  virtual int init_pid() const = 0;
  // Whether somebody else's engine puts it away: Pause() and Unpause(), and not CRIU.
  virtual bool pauses() const { return false; }
  virtual boost::asio::awaitable<Result<>> Pause() {
    co_return Fail(Code::kUnsupported, "these walls have no engine that pauses them");
  }
  virtual boost::asio::awaitable<Result<>> Unpause() {
    co_return Fail(Code::kUnsupported, "these walls have no engine that pauses them");
  }
  // Kills everything inside and waits until no process, mount or control group is left.
  virtual boost::asio::awaitable<void> Destroy() = 0;
};

// Puts the walls up. `name` names the control group.
boost::asio::awaitable<Result<std::unique_ptr<Sandbox>>> BuildSandbox(
    boost::asio::any_io_executor executor, Workshop workshop, std::string name, Places places,
    CgroupLimits limits);

}  // namespace godwit::sandbox
