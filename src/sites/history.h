#pragma once

// The newest events of a coordinator that lives in this process, and who waits for the next.
//
// Events are kept in the order of their revisions, whichever order they come in, and handed on
// only when none before them is missing. The oldest are dropped beyond a number of events; who
// asks for those is told so. Threads: one loop. Lifetime: outlives whoever waits. Failure: none.
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "sites/coordinator.h"

namespace godwit::sites {

class History {
 public:
  // `revision`: the newest that was before this history begins.
  History(const boost::asio::any_io_executor& executor, int64_t revision, size_t max_events);

  // All events of one revision.
  void Add(int64_t revision, std::vector<Event> events);
  // Those that are known of `prefix`, from a revision on; nullopt if older ones are missing.
  std::optional<std::vector<Event>> From(std::string_view prefix, int64_t revision) const;
  // The newest revision up to which nothing is missing.
  int64_t newest() const { return newest_; }
  // Waits until newest() grows, or Stop().
  boost::asio::awaitable<void> News();
  void Stop();
  bool stopped() const { return stopped_; }

 private:
  void Take(int64_t revision, std::vector<Event> events);

  size_t max_events_;
  int64_t newest_;
  int64_t dropped_;  // what is not newer is not known
  std::deque<Event> events_;
  std::map<int64_t, std::vector<Event>> early_;  // came before one that is older
  bool stopped_ = false;
  boost::asio::steady_timer news_;  // cancelled whenever there are some
};

}  // namespace godwit::sites
