#include "checkpoint/rest.h"

#include <fmt/core.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

#include "base/scope.h"
#include "checkpoint/calls.h"
#include "checkpoint/inside.h"

namespace godwit::checkpoint {
namespace {

namespace fs = std::filesystem;

// Calls that leave no trace of how long they still have.
constexpr auto kSecretive = std::to_array<long>({
#ifdef SYS_poll
    SYS_poll, SYS_epoll_wait, SYS_select,
#endif
    SYS_pselect6, SYS_ppoll, SYS_epoll_pwait, SYS_epoll_pwait2, SYS_rt_sigtimedwait, SYS_semtimedop,
    SYS_futex, SYS_nanosleep, SYS_clock_nanosleep, SYS_io_getevents});
constexpr timespec kNap = {0, 1000};

std::string ReadSmall(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The number after the colon in the line of `text` that begins with `name`.
std::optional<std::string> Field(const std::string& text, const std::string& name) {
  const size_t line = text.find("\n" + name + " ");
  if (line == std::string::npos) return std::nullopt;
  const size_t at = text.find_first_not_of(" \t", text.find(':', line) + 1);
  return text.substr(at, text.find('\n', at) - at);
}

struct Schedule {
  Nanos ran{};  // on the clock of the processor
  uint64_t turns = 0;
};

std::optional<Schedule> ReadSchedule(const fs::path& thread) {
  const std::string text = ReadSmall(thread / "sched");
  const auto ran = Field(text, "se.exec_start");
  const auto turns = Field(text, "nr_voluntary_switches");
  if (!ran || !turns) return std::nullopt;
  Schedule schedule;
  // "MILLISECONDS.NANOSECONDS", six digits behind the point.
  const size_t point = ran->find('.');
  if (point == std::string::npos || ran->size() != point + 7) return std::nullopt;
  int64_t whole = 0;
  int64_t rest = 0;
  std::from_chars(ran->data(), ran->data() + point, whole);
  std::from_chars(ran->data() + point + 1, ran->data() + ran->size(), rest);
  std::from_chars(turns->data(), turns->data() + turns->size(), schedule.turns);
  schedule.ran = std::chrono::milliseconds(whole) + Nanos(rest);
  return schedule;
}

bool Secretive(const Call& call) {
  return std::ranges::find(kSecretive, call.number) != kSecretive.end();
}

// What is where a sleep is to tell what is left of it; empty if it is none that does.
std::string BeforeRest(int pid, const Call& call) {
  const auto& arguments = call.arguments;
  const bool plain = call.number == SYS_nanosleep;
  const bool relative = call.number == SYS_clock_nanosleep && (arguments[1] & TIMER_ABSTIME) == 0;
  if (!plain && !relative) return "";
  return PeekProcess(pid, arguments[plain ? 1 : 3], sizeof(timespec)).value_or("");
}

// The processor it was last on: the 39th field of /proc/PID/stat, the 37th after the name.
std::optional<int> ProcessorOf(const fs::path& thread) {
  const std::string text = ReadSmall(thread / "stat");
  size_t at = text.rfind(')');
  for (int field = 0; at != std::string::npos && field < 37; ++field) at = text.find(' ', at + 1);
  if (at == std::string::npos) return std::nullopt;
  int processor = 0;
  std::from_chars(text.data() + at + 1, text.data() + text.size(), processor);
  return processor;
}

// What is to be added to the clock of `processor` for CLOCK_MONOTONIC: this thread goes there, and
// is put on at a time that both clocks tell.
std::optional<Nanos> OffsetOf(int processor) {
  cpu_set_t all;
  cpu_set_t one;
  if (::pthread_getaffinity_np(::pthread_self(), sizeof all, &all) != 0) return std::nullopt;
  CPU_ZERO(&one);
  CPU_SET(processor, &one);
  if (::pthread_setaffinity_np(::pthread_self(), sizeof one, &one) != 0) return std::nullopt;
  const ScopeExit back([&] { ::pthread_setaffinity_np(::pthread_self(), sizeof all, &all); });
  std::optional<Nanos> least;
  for (int attempt = 0; attempt < 2; ++attempt) {
    ::clock_nanosleep(CLOCK_MONOTONIC, 0, &kNap, nullptr);
    timespec now = {};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    const auto schedule = ReadSchedule("/proc/thread-self");
    if (!schedule) return std::nullopt;
    const Nanos offset = std::chrono::seconds(now.tv_sec) + Nanos(now.tv_nsec) - schedule->ran;
    least = std::min(least.value_or(offset), offset);
  }
  return least;
}

}  // namespace

bool RestsAreKnown() { return fs::exists("/proc/self/sched"); }

Rests ReadRests(const std::vector<int>& pids) {
  Rests rests;
  std::map<int, std::optional<Nanos>> offsets;
  ForThreads(pids, [&](int pid, const fs::path& thread) {
    const auto call = ReadCall(thread);
    if (!call || !Secretive(*call)) return;
    const auto schedule = ReadSchedule(thread);
    const auto processor = ProcessorOf(thread);
    if (!schedule || !processor) return;
    if (!offsets.contains(*processor)) offsets[*processor] = OffsetOf(*processor);
    const std::optional<Nanos> offset = offsets[*processor];
    const int inside = InsidePid(thread);
    if (offset && inside != 0)
      rests[inside] = {schedule->ran + *offset, schedule->turns, BeforeRest(pid, *call)};
  });
  return rests;
}

void RestartDisturbed(Rests& rests, const std::vector<int>& pids, Nanos now) {
  if (rests.empty()) return;
  ForThreads(pids, [&](int, const fs::path& thread) {
    const auto rest = rests.find(InsidePid(thread));
    if (rest == rests.end()) return;
    const auto schedule = ReadSchedule(thread);
    // Being stopped is one turn.
    if (schedule && schedule->turns <= rest->second.turns + 1) return;
    rest->second.since = now;
    rest->second.before.clear();
  });
}

}  // namespace godwit::checkpoint
