// godwit-wire: relays frames between TAP devices in network namespaces, with limits.
//
// Commands come on standard input, an answer for each goes to standard output: `ok …` or
// `error …`. The end of the input ends it, and with it all its devices. docs/testbed.md tells more.
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>

#include "base/clock.h"
#include "base/fd.h"
#include "testbed/commands.h"
#include "testbed/relay.h"

namespace godwit::testbed {
namespace {

// A wire does not wait for those who use it: its frames are due also while all processors are busy.
// It needs little of one. Where that is not allowed, frames come later.
void HurryUp() {
  const sched_param param = {.sched_priority = 1};
  if (::sched_setscheduler(0, SCHED_RR, &param) != 0)
    static_cast<void>(::setpriority(PRIO_PROCESS, 0, -20));
}

// Obeys the whole lines of `pending`; false if nobody hears the answers.
bool ObeyAll(std::string& pending, Relay& relay) {
  size_t end = 0;
  while ((end = pending.find('\n')) != std::string::npos) {
    const auto answer = Obey(std::string_view(pending).substr(0, end), relay);
    pending.erase(0, end + 1);
    const std::string line =
        answer ? "ok " + *answer + "\n" : "error " + answer.error().ToString() + "\n";
    if (!WriteAll(STDOUT_FILENO, line)) return false;
  }
  return true;
}

int Run() {
  std::signal(SIGPIPE, SIG_IGN);
  const SystemClock clock;
  auto relay = Relay::Make(clock);
  if (!relay) {
    std::fprintf(stderr, "godwit-wire: %s\n", relay.error().ToString().c_str());
    return ExitCode(relay.error().code());
  }
  std::thread([&relay] {
    HurryUp();
    while (true) (*relay)->Turn();
  }).detach();
  std::string pending;
  std::array<char, 4096> buffer;
  while (true) {
    const ssize_t length = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (length < 0 && errno == EINTR) continue;
    if (length > 0) pending.append(buffer.data(), static_cast<size_t>(length));
    // Nothing is taken down by hand: the relay still turns, and the kernel takes the devices.
    if (length <= 0 || !ObeyAll(pending, **relay)) std::_Exit(0);
  }
}

}  // namespace
}  // namespace godwit::testbed

int main(int argc, char**) {
  if (argc > 1) {
    std::fprintf(stderr, "usage: godwit-wire, with commands on standard input (docs/testbed.md)\n");
    return 2;
  }
  return godwit::testbed::Run();
}
