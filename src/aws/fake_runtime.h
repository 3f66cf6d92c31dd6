#pragma once

// For tests of the Runtime API: an instance that hands out what the test gives it, and a peer in
// the sandbox that speaks raw HTTP.
//
// Threads: one loop. Failure: a peer's failure is an exception, which fails the test.
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "functions/runtime_port.h"

namespace godwit::aws {

class FakeCalls : public functions::RuntimeCalls {
 public:
  explicit FakeCalls(const boost::asio::any_io_executor& executor)
      : given_(executor, boost::asio::steady_timer::time_point::max()) {}

  std::vector<std::string> log;  // "respond ID BODY", "fail ID TYPE BODY", "init TYPE BODY"
  size_t waiting = 0;            // in AwaitNext()
  size_t waiting_for_callback = 0;
  size_t callbacks_asked = 0;
  size_t handed_out = 0;
  mutable size_t asked_if_runs = 0;
  std::string restored;  // its log stream

  void Give(functions::Invocation invocation) {
    queue_.push_back(std::move(invocation));
    given_.cancel();
  }
  void Give(const std::string& id, const std::string& payload) {
    functions::Invocation invocation;
    invocation.id.text = id;
    invocation.payload = payload;
    Give(std::move(invocation));
  }
  // The next callback of whichever call runs.
  void GiveCallback(std::string payload) {
    callbacks_.push_back(std::move(payload));
    given_.cancel();
  }
  // When what was given has been handed out.
  void End() {
    ending_ = true;
    given_.cancel();
  }

  boost::asio::awaitable<Result<Next>> AwaitNext() override {
    namespace asio = boost::asio;
    if (waiting > 0) co_return godwit::Fail(Code::kConflict, "somebody waits already");
    ++waiting;
    const auto state = co_await asio::this_coro::cancellation_state;
    co_await asio::this_coro::throw_if_cancelled(false);
    const auto cancelled = [&] { return state.cancelled() != asio::cancellation_type::none; };
    while (queue_.empty() && !ending_ && !cancelled()) {
      co_await given_.async_wait(asio::as_tuple(asio::use_awaitable));
    }
    --waiting;
    if (queue_.empty() || cancelled()) co_return godwit::Fail(Code::kClosing, "it ends");
    co_await asio::this_coro::throw_if_cancelled(true);
    running_ = std::move(queue_.front());
    queue_.pop_front();
    ++handed_out;
    Next next;
    next.invocation = &running_;
    next.function_arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
    next.deadline.since_epoch = std::chrono::milliseconds(1234567890123);
    co_return next;
  }
  boost::asio::awaitable<Result<>> AwaitCallback(functions::CallbackRef callback) override {
    namespace asio = boost::asio;
    ++callbacks_asked;
    ++waiting_for_callback;
    const auto state = co_await asio::this_coro::cancellation_state;
    co_await asio::this_coro::throw_if_cancelled(false);
    const auto cancelled = [&] { return state.cancelled() != asio::cancellation_type::none; };
    while (Runs(callback.call) && callbacks_.size() <= callback.number && !ending_ &&
           !cancelled()) {
      co_await given_.async_wait(asio::as_tuple(asio::use_awaitable));
    }
    --waiting_for_callback;
    if (cancelled()) co_return godwit::Fail(Code::kClosing, "it ends");
    co_await asio::this_coro::throw_if_cancelled(true);
    if (!Runs(callback.call)) co_return godwit::Fail(Code::kNotFound, "it does not run");
    if (callbacks_.size() <= callback.number) co_return godwit::Fail(Code::kClosing, "it ends");
    co_return Result<>{};
  }
  boost::asio::awaitable<Result<std::string>> ReadCallback(
      functions::CallbackRef callback) override {
    co_return callbacks_.at(callback.number);
  }
  bool Runs(std::string_view id) const override {
    ++asked_if_runs;
    return handed_out > 0 && running_.id.text == id;
  }
  Result<> Respond(const std::string& id, std::string payload) override {
    return Answered("respond", id, payload.size() < 100 ? payload : std::to_string(payload.size()));
  }
  Result<> Fail(const std::string& id, std::string error_type, std::string body) override {
    return Answered("fail", id, error_type + " " + body);
  }
  Result<> InitFailed(std::string error_type, std::string body) override {
    if (handed_out > 0) return godwit::Fail(Code::kConflict, "it has begun");
    log.push_back("init " + error_type + " " + body);
    return {};
  }
  // A clone if it is `restored`, else one that was started for calls.
  boost::asio::awaitable<Result<std::string>> AwaitRestore() override {
    if (restored.empty()) co_return godwit::Fail(Code::kConflict, "it is no clone");
    co_return restored;
  }
  Result<> RestoreFailed(std::string error_type, std::string body) override {
    log.push_back("restore " + error_type + " " + body);
    return {};
  }

 private:
  Result<> Answered(const char* how, const std::string& id, const std::string& with) {
    if (handed_out == 0) return godwit::Fail(Code::kConflict, "nothing runs");
    if (running_.id.text != id) return godwit::Fail(Code::kNotFound, "'{}' does not run", id);
    log.push_back(std::string(how) + " " + id + " " + with);
    running_.id.text.clear();
    given_.cancel();
    return {};
  }

  boost::asio::steady_timer given_;
  std::deque<functions::Invocation> queue_;
  std::vector<std::string> callbacks_;
  functions::Invocation running_;
  bool ending_ = false;
};

struct RawAnswer {
  int status = 0;
  std::string head;
  std::string body;
};

// The function's end of a connection.
class RawPeer {
 public:
  RawPeer(const boost::asio::any_io_executor& executor, uint16_t port) : socket_(executor) {
    socket_.connect({boost::asio::ip::address_v4::loopback(), port});
  }

  boost::asio::awaitable<void> Say(std::string text) {
    co_await boost::asio::async_write(socket_, boost::asio::buffer(text),
                                      boost::asio::use_awaitable);
  }
  // The next answer; its body by Content-Length.
  boost::asio::awaitable<RawAnswer> Hear() {
    namespace asio = boost::asio;
    RawAnswer answer;
    const size_t head = co_await asio::async_read_until(socket_, asio::dynamic_buffer(heard_),
                                                        "\r\n\r\n", asio::use_awaitable);
    answer.head = heard_.substr(0, head);
    heard_.erase(0, head);
    answer.status = std::stoi(answer.head.substr(9, 3));
    const size_t at = answer.head.find("Content-Length: ");
    const size_t length = at == std::string::npos ? 0 : std::stoul(answer.head.substr(at + 16));
    if (heard_.size() < length) {
      co_await asio::async_read(socket_, asio::dynamic_buffer(heard_),
                                asio::transfer_exactly(length - heard_.size()),
                                asio::use_awaitable);
    }
    answer.body = heard_.substr(0, length);
    heard_.erase(0, length);
    co_return answer;
  }
  boost::asio::awaitable<RawAnswer> Ask(std::string text) {
    co_await Say(std::move(text));
    co_return co_await Hear();
  }
  // Whether the connection ends without another byte.
  boost::asio::awaitable<bool> HearsTheEnd() {
    char byte = 0;
    const auto [failed, count] = co_await socket_.async_read_some(
        boost::asio::buffer(&byte, 1), boost::asio::as_tuple(boost::asio::use_awaitable));
    co_return heard_.empty() && count == 0;
  }
  boost::asio::ip::tcp::socket& socket() { return socket_; }

 private:
  boost::asio::ip::tcp::socket socket_;
  std::string heard_;
};

inline constexpr const char* kAskNext =
    "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: 127.0.0.1:9001\r\n\r\n";

// A POST as runtimes send it; `more` is further header lines.
inline std::string Post(const std::string& path, const std::string& body,
                        const std::string& more = "") {
  return "POST /2018-06-01/runtime/" + path + " HTTP/1.1\r\nHost: 127.0.0.1:9001\r\n" + more +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

struct Listening {
  Fd socket;
  uint16_t port = 0;
};

inline Listening Listen(const boost::asio::any_io_executor& executor) {
  boost::asio::ip::tcp::acceptor acceptor(executor, {boost::asio::ip::address_v4::loopback(), 0});
  const uint16_t port = acceptor.local_endpoint().port();
  return {Fd(acceptor.release()), port};
}

}  // namespace godwit::aws
