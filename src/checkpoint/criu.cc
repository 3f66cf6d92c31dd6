#include "checkpoint/criu.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <optional>
#include <sstream>
#include <vector>

#include "base/try.h"
#include "checkpoint/criu.pb.h"
#include "checkpoint/late_socket.h"

namespace godwit::checkpoint {
namespace {

// criu.org/RPC, enum criu_req_type, criu_cg_mode, criu_network_lock_method.
constexpr int kDump = 1;
constexpr int kRestore = 2;
constexpr int kNotify = 6;
constexpr int kVersion = 10;
constexpr int kCgroupsIgnored = 0;
constexpr int kNetworkLockSkipped = 3;
constexpr uint32_t kGhostLimit = 64 << 20;  // bytes of a deleted file that is still open
constexpr const char* kLog = "criu.log";
constexpr Nanos kNudge = std::chrono::milliseconds(200);
constexpr Nanos kMostSilence = std::chrono::minutes(2);

Result<> Send(const Fd& channel, const rpc::Request& request) {
  const std::string bytes = request.SerializeAsString();
  if (::send(channel.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0) {
    return FailErrno(errno, "cannot speak to CRIU");
  }
  return {};
}

// Waits for its next message. Before a dump has stopped them, the function's processes may stop the
// worker, which has their user as its real one: it is told to go on, and killed if it is silent all
// the same.
Result<> AwaitMessage(const Worker& worker, LateSocket* late) {
  const auto signal = [&](int number) {
    ::syscall(SYS_pidfd_send_signal, worker.process.get(), number, nullptr, 0);
  };
  for (Nanos waited{}; waited < kMostSilence; waited += kNudge) {
    pollfd both[] = {{worker.channel.get(), POLLIN, 0},
                     {late != nullptr ? late->fd() : -1, POLLIN, 0}};
    const int ready = ::poll(both, 2, static_cast<int>(kNudge / std::chrono::milliseconds(1)));
    if (both[1].revents != 0) GODWIT_TRY(late->Receive());
    if (both[0].revents != 0) return {};
    if (ready == 0) signal(SIGCONT);
  }
  signal(SIGKILL);
  return Fail(Code::kTimeout, "CRIU has said nothing for {} s",
              kMostSilence / std::chrono::seconds(1));
}

Result<rpc::Response> Receive(const Worker& worker, LateSocket* late = nullptr) {
  GODWIT_TRY(AwaitMessage(worker, late));
  std::string bytes(64 * 1024, '\0');
  const ssize_t n = ::recv(worker.channel.get(), bytes.data(), bytes.size(), 0);
  if (n <= 0) return Fail(Code::kInternal, "CRIU ended without an answer");
  bytes.resize(static_cast<size_t>(n));
  rpc::Response response;
  if (!response.ParseFromString(bytes))
    return Fail(Code::kInternal, "CRIU answered with something unreadable");
  return response;
}

rpc::Options CommonOptions(const std::string& images) {
  rpc::Options options;
  options.set_images_dir_fd(-1);
  options.set_images_dir(images);
  options.set_log_file(kLog);
  options.set_log_level(2);
  options.set_notify_scripts(true);
  options.set_tcp_established(true);
  options.set_file_locks(true);
  options.set_link_remap(true);
  options.set_ghost_limit(kGhostLimit);
  options.set_manage_cgroups_mode(kCgroupsIgnored);
  options.set_network_lock(kNetworkLockSkipped);
  return options;
}

// CRIU's reason: the first error of its log says what it stumbled over, the rest is its way out.
std::string ReasonIn(const std::string& images_outside) {
  const Result<Fd> fd = Open(images_outside + "/" + kLog, O_RDONLY);
  if (!fd) return "it kept no log";
  const Result<std::string> log = ReadAll(fd->get(), 4 << 20);
  if (!log) return "its log cannot be read";
  std::istringstream lines(*log);
  for (std::string line; std::getline(lines, line);) {
    const size_t error = line.find("Error (");
    // Without CAP_SYS_RESOURCE it says so each time, and works all the same.
    if (error == std::string::npos || line.contains("RLIMIT_NOFILE")) continue;
    const size_t after = line.find("): ", error);
    return after == std::string::npos ? line : line.substr(after + 3);
  }
  return "its log names no error";
}

Result<> Answer(const Fd& channel, bool success) {
  rpc::Request request;
  request.set_type(kNotify);
  request.set_notify_success(success);
  return Send(channel, request);
}

std::unexpected<Error> CannotBringBack(const RestoreRequest& restore) {
  return Fail(Code::kCorrupt, "CRIU cannot bring it back: {}", ReasonIn(restore.images_outside));
}

}  // namespace

Result<> Greet(const Worker& worker) {
  rpc::Request request;
  request.set_type(kVersion);
  request.set_keep_open(true);
  GODWIT_TRY(Send(worker.channel, request));
  GODWIT_TRY(const rpc::Response response, Receive(worker));
  if (!response.success()) return Fail(Code::kInternal, "CRIU does not tell its version");
  return {};
}

Result<> Dump(const Worker& worker, const DumpRequest& dump, const DumpHooks& hooks) {
  rpc::Request request;
  request.set_type(kDump);
  *request.mutable_opts() = CommonOptions(dump.images);
  request.mutable_opts()->set_pid(dump.pid);
  GODWIT_TRY(Send(worker.channel, request));
  Result<> kept = hooks.preparing ? hooks.preparing() : Result<>{};
  while (true) {
    GODWIT_TRY(const rpc::Response response, Receive(worker));
    if (response.type() == kNotify) {
      const std::string& script = response.notify().script();
      if (script == "pre-dump" && kept && hooks.stopping) hooks.stopping();
      if (script == "query-ext-files" && hooks.stopped) hooks.stopped();
      if (script == "post-dump" && hooks.dumped) kept = hooks.dumped();
      GODWIT_TRY(Answer(worker.channel, kept.has_value()));
      continue;
    }
    if (!kept) return kept;
    if (response.success()) return {};
    return Fail(Code::kUnsupported, "CRIU cannot take it: {}", ReasonIn(dump.images_outside));
  }
}

Result<> BringUp(const Worker& worker, const RestoreRequest& restore, const RestoreHooks& hooks) {
  rpc::Request request;
  request.set_type(kRestore);
  *request.mutable_opts() = CommonOptions(restore.images);
  request.mutable_opts()->set_rst_sibling(true);
  request.mutable_opts()->set_lazy_pages(restore.late);
  std::optional<LateSocket> late;
  if (restore.late) {
    GODWIT_TRY(late, LateSocket::Listen(restore.images_outside, hooks.missing));
  }
  GODWIT_TRY(Send(worker.channel, request));
  Result<> prepared = hooks.preparing ? hooks.preparing() : Result<>{};
  while (true) {
    GODWIT_TRY(const rpc::Response response, Receive(worker, late ? &*late : nullptr));
    if (response.type() == kNotify) {
      if (response.notify().script() == "pre-resume" && prepared) return {};
      GODWIT_TRY(Answer(worker.channel, prepared.has_value()));
      continue;
    }
    return prepared ? CannotBringBack(restore) : prepared;
  }
}

Result<int> LetRun(const Worker& worker, const RestoreRequest& restore, const RestoreHooks& hooks) {
  const Result<> may = hooks.before_run ? hooks.before_run() : Result<>{};
  GODWIT_TRY(Answer(worker.channel, may.has_value()));
  while (true) {
    GODWIT_TRY(const rpc::Response response, Receive(worker));
    if (response.type() == kNotify) {
      if (response.notify().script() == "post-resume" && hooks.running) hooks.running();
      GODWIT_TRY(Answer(worker.channel, may.has_value()));
      continue;
    }
    GODWIT_TRY(may);
    if (response.success()) return response.restore().pid();
    return CannotBringBack(restore);
  }
}

}  // namespace godwit::checkpoint
