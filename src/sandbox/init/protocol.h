#pragma once

// What the node and an instance's init say to each other, over one SOCK_SEQPACKET pair.
//
// Both ends are of the same build (init is embedded in godwit), so the messages are plain structs
// and carry no version. Node to init: a Request, then its strings (cwd, argv, envp), each ended by
// NUL, with descriptors beside it (SCM_RIGHTS). Init to node: an Event, with a descriptor (kReady,
// kSocket) or with the sender's credentials, whose pid the kernel translates into the receiver's
// namespace (kStarted, kFound).
#include <cstdint>

namespace godwit::sandbox {

inline constexpr int kControlFd = 3;  // in init: its end of the pair
inline constexpr int kSeccompFd =
    4;  // in init: the filter for functions, a sealed memfd of sock_filter
inline constexpr uint32_t kMaxFds = 16;
inline constexpr uint32_t kMaxHeld = 1024;           // descriptors that init keeps
inline constexpr uint32_t kMaxMessage = 160 * 1024;  // bytes; Lambda's environment is at most 4 KB

enum class Op : uint32_t {
  kStartFunction = 1,  // fds: one per cgroup; unprivileged, seccomp, logs to kLogPath
  kStartDriver =
      2,  // fds: the program, its descriptor 3, then one per cgroup; privileged, sees the sandbox
  kMakeSocket = 3,  // a TCP socket in the sandbox's network namespace
  kFind = 4,        // the host's pid of process `pid`
  kHold = 5,        // fd: is kept as `key` until it is let go, or everything inside is dead
  kLetGo = 6,       // of `key`; of an unknown one: nothing
  kThaw = 7,        // fd: a freezer.state, thawed before everything inside is killed
};

struct Request {
  Op op = Op::kFind;
  uint32_t uid = 0;  // kStartFunction: also the group; kStartDriver: the real user and group alone
  uint32_t fd_count = 0;
  uint32_t argc = 0;
  uint32_t envc = 0;
  int32_t pid = 0;  // kFind: in the sandbox's namespace; kStartDriver: not 0, its pid is set aside
  // kStart...: it gets a pid from here on; kFind: whoever is new from then on does. 0: as they
  // come.
  int32_t next_pid = 0;
  uint32_t max_files = 0;  // kStartFunction: RLIMIT_NOFILE
  uint64_t key = 0;        // kHold, kLetGo
};

enum class What : uint32_t {
  kReady = 1,    // walls stand; fd: the listening socket
  kStarted = 2,  // pid (inside); credentials: the host's
  kSocket = 3,   // fd
  kFound = 4,    // pid (inside); credentials: the host's
  kExited = 5,   // pid (inside), status as waitpid(2) gives it
  kFailed = 6,   // error, step: what a request or the set-up stumbled over
  kDone = 7,     // kHold, kLetGo, kThaw
};

struct Event {
  What what = What::kFailed;
  int32_t pid = 0;
  int32_t status = 0;
  int32_t error = 0;  // errno
  char step[112] = {};
};

inline constexpr const char* kLogPath = "/run/godwit/log";  // inside, a FIFO that the node reads
inline constexpr const char* kImagesPath = "/run/criu";     // inside: the staging area of images
inline constexpr uint16_t kRuntimeApiPort = 9001;
inline constexpr int kFirstFunctionPid = 100;
inline constexpr int kFirstDriverPid = 5000;  // never meets a pid of the function

}  // namespace godwit::sandbox
