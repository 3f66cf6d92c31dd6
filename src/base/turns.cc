#include "base/turns.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace godwit {

namespace asio = boost::asio;

Turns::Turns(const asio::any_io_executor& executor)
    : given_back_(executor, asio::steady_timer::time_point::max()) {}

Turns::Held::~Held() {
  if (turns_ == nullptr) return;
  turns_->held_.erase(name_);
  turns_->given_back_.cancel();
}

asio::awaitable<Turns::Held> Turns::Take(std::string name) {
  while (!held_.insert(name).second)
    co_await given_back_.async_wait(asio::as_tuple(asio::use_awaitable));
  co_return Held(this, std::move(name));
}

std::optional<Turns::Held> Turns::TryTake(const std::string& name) {
  if (!held_.insert(name).second) return std::nullopt;
  return Held(this, name);
}

}  // namespace godwit
