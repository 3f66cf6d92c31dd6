#include "sites/history.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace godwit::sites {

namespace asio = boost::asio;

History::History(const asio::any_io_executor& executor, int64_t revision, size_t max_events)
    : max_events_(max_events),
      newest_(revision),
      dropped_(revision),
      news_(executor, asio::steady_timer::time_point::max()) {}

void History::Add(int64_t revision, std::vector<Event> events) {
  early_.emplace(revision, std::move(events));
  const int64_t before = newest_;
  for (auto next = early_.begin(); next != early_.end() && next->first == newest_ + 1;
       next = early_.erase(next)) {
    Take(next->first, std::move(next->second));
  }
  if (newest_ != before) news_.cancel();
}

void History::Take(int64_t revision, std::vector<Event> events) {
  newest_ = revision;
  for (auto& event : events) events_.push_back(std::move(event));
  while (events_.size() > max_events_) dropped_ = events_.front().revision, events_.pop_front();
  // Half a revision is none.
  while (!events_.empty() && events_.front().revision <= dropped_) events_.pop_front();
}

std::optional<std::vector<Event>> History::From(std::string_view prefix, int64_t revision) const {
  if (revision <= dropped_) return std::nullopt;
  const auto first = std::ranges::lower_bound(events_, revision, {}, &Event::revision);
  std::vector<Event> found;
  std::copy_if(first, events_.end(), std::back_inserter(found),
               [&](const Event& event) { return event.key.starts_with(prefix); });
  return found;
}

asio::awaitable<void> History::News() {
  if (!stopped_) co_await news_.async_wait(asio::as_tuple(asio::use_awaitable));
}

void History::Stop() {
  stopped_ = true;
  news_.cancel();
}

}  // namespace godwit::sites
