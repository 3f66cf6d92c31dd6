#pragma once

// One at a time for each name, among the coroutines of one loop.
//
//   const Turns::Held mine = co_await turns_.Take(name);
//   ... looks, waits, changes: nobody else holds this name ...
//
// For a change that waits between its look and its deed. Threads: one loop. Lifetime: outlives
// whatever is held or waited for. Failure: none; who is cancelled while it waits gets Asio's
// exception, as at any wait.
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <optional>
#include <set>
#include <string>
#include <utility>

namespace godwit {

class Turns {
 public:
  // Whose turn it is; given back when it is destroyed.
  class Held {
   public:
    Held(Held&& other) noexcept
        : turns_(std::exchange(other.turns_, nullptr)), name_(std::move(other.name_)) {}
    Held& operator=(Held&&) = delete;
    ~Held();

   private:
    friend class Turns;
    Held(Turns* turns, std::string name) : turns_(turns), name_(std::move(name)) {}

    Turns* turns_;
    std::string name_;
  };

  explicit Turns(const boost::asio::any_io_executor& executor);
  Turns(const Turns&) = delete;
  Turns& operator=(const Turns&) = delete;

  // Waits until nobody holds the name.
  boost::asio::awaitable<Held> Take(std::string name);
  // None if somebody holds it.
  std::optional<Held> TryTake(const std::string& name);

 private:
  std::set<std::string> held_;
  boost::asio::steady_timer given_back_;  // cancelled whenever one is
};

}  // namespace godwit
