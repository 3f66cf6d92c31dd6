#include "testbed/relay.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include "base/try.h"

namespace godwit::testbed {
namespace {

// Of one port, before others have their turn and what is due goes out: what takes some 50 us.
constexpr int kFramesAtOnce = 32;
constexpr size_t kBytesAtOnce = size_t{256} << 10;

}  // namespace

Result<std::unique_ptr<Relay>> Relay::Make(const Clock& clock) {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return FailErrno(errno, "cannot make an epoll");
  Fd timer(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  if (!timer) return FailErrno(errno, "cannot make a timer");
  epoll_event event = {.events = EPOLLIN, .data = {.fd = timer.get()}};
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, timer.get(), &event) != 0)
    return FailErrno(errno, "cannot wait for a timer");
  return std::unique_ptr<Relay>(new Relay(clock, std::move(epoll), std::move(timer)));
}

Result<> Relay::AddPort(const std::string& name, const std::string& space,
                        const std::string& device) {
  if (HasPort(name))
    return Fail(Code::kConflict, "cannot add port '{}': there is one (drop it first)", name);
  GODWIT_TRY(Tap tap, Tap::Make(space, device));
  const int fd = tap.fd();
  {
    const auto held = Hold();
    for (const auto& [other, _] : ports_) {
      paths_.try_emplace({name, other});
      paths_.try_emplace({other, name});
    }
    ports_.emplace(name, std::move(tap));
  }
  epoll_event event = {.events = EPOLLIN, .data = {.fd = fd}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0)
    return FailErrno(errno, "cannot wait for port '{}'", name);
  return TuneDevices();
}

Result<> Relay::DropPort(const std::string& name) {
  decltype(ports_)::node_type gone;  // its device ends when nobody is kept from anything any more
  {
    const auto held = Hold();
    gone = ports_.extract(name);
    if (!gone) return Fail(Code::kNotFound, "cannot drop port '{}': there is none", name);
    std::erase_if(paths_, [&](const auto& entry) {
      return entry.first.first == name || entry.first.second == name;
    });
    std::erase_if(behind_, [&](const auto& entry) { return entry.second == name; });
  }
  return TuneDevices();
}

Result<> Relay::TuneDevices() {
  for (auto& [name, tap] : ports_) {
    const bool loses = std::ranges::any_of(paths_, [&](const auto& entry) {
      return entry.first.first == name && entry.second.limits().loss > 0;
    });
    GODWIT_TRY(tap.SetLarge(!loses));
  }
  return {};
}

void Relay::ReadSome(const std::string& from, Tap& tap) {
  size_t bytes = 0;
  for (int i = 0; i < kFramesAtOnce && bytes < kBytesAtOnce; ++i) {
    const size_t length = tap.Read(buffer_);
    if (length < kLeast) return;
    bytes += length;
    const std::string_view frame(buffer_.data(), length);
    const SteadyTime now = clock_.Steady();
    if (!IsForMany(Source(frame))) behind_[Source(frame)] = from;
    const auto known = IsForMany(Target(frame)) ? behind_.end() : behind_.find(Target(frame));
    if (known != behind_.end()) {
      const auto path = paths_.find({from, known->second});
      if (path != paths_.end()) path->second.Offer(now, frame);
      continue;
    }
    for (auto& [ends, path] : paths_) {
      if (ends.first == from) path.Offer(now, frame);
    }
  }
}

void Relay::Deliver() {
  for (auto& [ends, path] : paths_) {
    while (const auto frame = path.Take(clock_.Steady())) {
      if (ports_.at(ends.second).Write(frame->bytes)) {
        path.Delivered(*frame, clock_.Steady());
      } else {
        path.Refused(*frame);
      }
    }
  }
}

void Relay::ArmTimer() {
  std::optional<SteadyTime> next;
  for (const auto& [_, path] : paths_) {
    const auto due = path.NextDue();
    if (due && (!next || *due < *next)) next = due;
  }
  itimerspec when = {};
  if (next) {
    // In the past means at once, and zero means never.
    const auto at = std::max(next->since_boot, Nanos(1));
    when.it_value.tv_sec = at / std::chrono::seconds(1);
    when.it_value.tv_nsec = (at % std::chrono::seconds(1)).count();
  }
  ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

void Relay::Turn() {
  std::array<epoll_event, 16> events;
  const int ready = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
  const auto held = Hold();
  for (int i = 0; i < ready; ++i) {
    const epoll_event& event = events[static_cast<size_t>(i)];
    const int fd = event.data.fd;
    if ((event.events & (EPOLLERR | EPOLLHUP)) != 0) {  // somebody inside deleted the device
      ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
      continue;
    }
    if (fd == timer_.get()) {
      uint64_t ticks = 0;
      static_cast<void>(::read(fd, &ticks, sizeof ticks) < 0);  // which it was does not matter
      continue;
    }
    for (auto& [name, tap] : ports_) {
      if (tap.fd() == fd) ReadSome(name, tap);
    }
  }
  Deliver();
  ArmTimer();
}

}  // namespace godwit::testbed
