#pragma once

// The node's end of a sandbox's control socket: requests one after another, exits whenever they
// come.
//
// Threads: the loop. Lifetime: closed with co_await Close() before it is destroyed.
// Failure: kClosing once init is gone; an Event of kind kFailed becomes an Error that names the
// step.
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "sandbox/init/protocol.h"

namespace godwit::sandbox {

struct Answer {
  Event event;
  Fd fd;            // if one came along
  int outside = 0;  // the sender's pid on this side, if credentials came along
};

class Control {
 public:
  virtual ~Control() = default;
  // Waits for init's first word.
  virtual boost::asio::awaitable<Result<Answer>> Ready() = 0;
  virtual boost::asio::awaitable<Result<Answer>> Ask(Request request,
                                                     std::vector<std::string> strings,
                                                     std::vector<int> fds) = 0;
  virtual void OnExit(std::function<void(int inside, int status)> handler) = 0;
  // Called once if init ends though nobody closed it.
  virtual void OnEnd(std::function<void()> handler) = 0;
  virtual boost::asio::awaitable<void> Close() = 0;
};

std::unique_ptr<Control> OpenControl(boost::asio::any_io_executor executor, Fd socket);

}  // namespace godwit::sandbox
