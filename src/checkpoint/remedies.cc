#include "checkpoint/remedies.h"

#include <algorithm>
#include <iterator>

namespace godwit::checkpoint {
namespace {

struct Remedy {
  std::string_view words;  // that the reason has
  std::string_view kind;
  std::string_view fix;  // if the reason has none
};

constexpr std::string_view kUnwatch =
    "close it before you wait, or look at the path now and then instead";

// The first one that fits. CRIU's words are those of its sources (criu/sk-inet.c, sk-unix.c,
// fsnotify.c, files-reg.c), version 4.1.
constexpr Remedy kRemedies[] = {
    {"inotify", "inotify", kUnwatch},
    {"fsnotify", "inotify", kUnwatch},
    {"suitable path for handle", "inotify", kUnwatch},
    {"External socket", "unix_socket", "close it before you wait, or speak TCP to its peer"},
    {"half of stream unix", "unix_socket", "close it before you wait, or speak TCP to its peer"},
    {"In-flight connection", "unaccepted_connection",
     "accept it, or close the listening socket, before you wait"},
    {"ghost file", "deleted_file",
     "close it before you wait, or keep what is deleted and still open below 64 MB"},
    {"System V", "system_v_ipc", ""},
    {"has outlived", "daemon", ""},
    {"has a locked file", "shared_lock", ""},
    {"with a time-out of its own", "socket_timeout", ""},
    {"may be half done", "half_done_call", ""},
    {"has been stopped before", "half_done_call", ""},
    {"datagrams at port", "unread_datagrams", "read them before you wait"},
    {"waits in a system call", "at_work", "none is needed: it goes when it waits"},
    {"CRIU is not there", "no_criu", ""},
    {"a container of the Docker Engine", "container", ""},
    {"this node has no pager", "no_pager", "run `godwit doctor`"},
};

}  // namespace

Obstacle ObstacleOf(std::string_view reason) {
  Obstacle one;
  std::string_view what = reason;
  if (const size_t begin = reason.rfind(" ("); reason.ends_with(')') && begin != reason.npos) {
    what = reason.substr(0, begin);
    one.fix = reason.substr(begin + 2, reason.size() - begin - 3);
  }
  one.what = what;
  const auto* known = std::ranges::find_if(
      kRemedies, [&](const Remedy& remedy) { return reason.contains(remedy.words); });
  if (known == std::end(kRemedies)) {
    one.kind = "other";
    return one;
  }
  one.kind = known->kind;
  if (one.fix.empty()) one.fix = known->fix;
  return one;
}

}  // namespace godwit::checkpoint
