#include "http/client.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <exception>
#include <optional>
#include <utility>

#include "base/scope.h"
#include "base/try.h"
#include "http/dial.h"
#include "http/inbox.h"
#include "http/response_parser.h"
#include "http/stream.h"
#include "http/url.h"
#include "http/wire.h"

namespace godwit::http {

namespace asio = boost::asio;

namespace {

bool MayRepeat(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE" ||
         method == "OPTIONS";
}

}  // namespace

class Client::Caller {
 public:
  Caller(asio::any_io_executor executor, std::string_view url, ClientOptions options)
      : executor_(std::move(executor)),
        url_(url),
        options_(std::move(options)),
        timer_(executor_) {}

  asio::awaitable<Result<Response>> Call(Request request, Sink sink, Nanos timeout);
  void Cancel() {
    cancelled_ = true;
    Interrupt();
  }
  Identity peer() const { return stream_ ? stream_->peer() : Identity{}; }

 private:
  void Interrupt() {
    dial_.Cancel();
    if (stream_) stream_->Cancel();
  }
  bool IsUsable();
  std::unexpected<Error> Lost(std::string_view why);
  std::unexpected<Error> Lost(ssize_t failed);
  std::unexpected<Error> NotReached(std::string_view why);
  Result<> Interrupted() const;
  asio::awaitable<Result<Response>> CallAgain(const Request& request, const Sink& sink);
  asio::awaitable<Result<>> Connect();
  asio::awaitable<Result<>> Shake();
  asio::awaitable<Result<>> Send(std::string_view bytes);
  asio::awaitable<Result<Response>> Receive(bool to_head, const Sink& sink);

  asio::any_io_executor executor_;
  std::string url_;
  ClientOptions options_;
  asio::steady_timer timer_;
  Dial dial_{executor_};
  std::optional<Stream> stream_;
  Inbox inbox_;
  bool busy_ = false;
  bool late_ = false;
  bool cancelled_ = false;
  bool answered_ = false;  // a byte of the response has come
  // Tells the timer's handler that this object has gone.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

asio::awaitable<Result<Response>> Client::Caller::Call(Request request, Sink sink, Nanos timeout) {
  if (busy_) co_return Fail(Code::kBusy, "cannot call '{}': another call is under way", url_);
  busy_ = true;
  cancelled_ = late_ = false;
  ScopeExit done([this] {
    busy_ = false;
    timer_.cancel();
  });
  ScopeExit broken([this] { stream_.reset(); });
  if (timeout > Nanos::zero()) {
    timer_.expires_after(timeout);
    timer_.async_wait(
        [this, alive = std::weak_ptr(alive_)](const boost::system::error_code& failed) {
          if (failed || alive.expired() || !busy_) return;
          late_ = true;
          Interrupt();
        });
  }
  Result<Response> response = co_await CallAgain(request, sink);
  if (response && stream_ && request.keep_alive) broken.Release();
  co_return response;
}

// On the connection there is, if there is one, and once more if the server had closed it.
asio::awaitable<Result<Response>> Client::Caller::CallAgain(const Request& request,
                                                            const Sink& sink) {
  GODWIT_CO_TRY(const Url url, Url::Parse(url_));
  std::string bytes;
  GODWIT_CO_TRY(AppendRequest(bytes, request, url.Authority()));
  for (bool reused = IsUsable();; reused = false) {
    if (!reused) GODWIT_CO_TRY(co_await Connect());
    answered_ = false;
    const Result<> sent = co_await Send(bytes);
    // A server that refuses a body answers before it has come; so there may be an answer even if
    // sending failed.
    Result<Response> response = co_await Receive(request.method == "HEAD", sink);
    if (response || !reused || answered_ || !MayRepeat(request.method) || late_ || cancelled_) {
      co_return response;
    }
  }
}

// An idle connection on which anything came, the end above all, is of no more use.
bool Client::Caller::IsUsable() {
  if (!stream_) return false;
  inbox_ = Inbox();
  return stream_->Receive(inbox_.Room()) == -EAGAIN;
}

std::unexpected<Error> Client::Caller::Lost(std::string_view why) {
  return Fail(Code::kUnavailable, "lost '{}' before it had answered: {}", url_, why);
}

// Refusing this side's certificate is the server's first word behind a handshake that is already
// done here.
std::unexpected<Error> Client::Caller::Lost(ssize_t failed) {
  const Error why = stream_->Why(failed);
  if (why.code() != Code::kDenied) return Lost(why.reason());
  return Fail(Code::kDenied, "cannot call '{}': {}", url_, why.reason());
}

std::unexpected<Error> Client::Caller::NotReached(std::string_view why) {
  return Fail(Code::kUnavailable, "cannot reach '{}': {}{}", url_, why,
              options_.way_out.empty() ? "" : " (" + options_.way_out + ")");
}

Result<> Client::Caller::Interrupted() const {
  if (cancelled_) return Fail(Code::kClosing, "the call to '{}' was cancelled", url_);
  if (late_) return Fail(Code::kTimeout, "'{}' did not answer in time", url_);
  return {};
}

asio::awaitable<Result<>> Client::Caller::Connect() {
  stream_.reset();
  GODWIT_CO_TRY(const Url url, Url::Parse(url_));
  if (url.tls && !options_.tls) {
    co_return Fail(Code::kUnsupported, "cannot call '{}': TLS is not spoken here (use http://)",
                   url_);
  }
  Result<Fd> socket = co_await dial_.Connect(url);
  GODWIT_CO_TRY(Interrupted());
  if (!socket) co_return NotReached(socket.error().reason());
  inbox_ = Inbox();
  if (url.tls) {
    stream_.emplace(executor_, *std::move(socket), *options_.tls, options_.expected);
    co_return co_await Shake();
  }
  stream_.emplace(executor_, *std::move(socket));
  co_return Result<>();
}

asio::awaitable<Result<>> Client::Caller::Shake() {
  int state = 0;
  while ((state = stream_->Handshake()) == -EAGAIN) {
    const auto [failed] = co_await stream_->Readable();
    GODWIT_CO_TRY(Interrupted());
    if (failed) co_return Fail(Code::kClosing, "the call to '{}' was cancelled", url_);
  }
  if (state == 0) co_return Result<>();
  const Error why = stream_->Why(state);
  if (why.code() == Code::kUnavailable) co_return NotReached(why.reason());
  co_return Fail(why.code(), "cannot call '{}': {}", url_, why.reason());
}

asio::awaitable<Result<>> Client::Caller::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t went = stream_->Send({bytes});
    if (went == -EAGAIN) {
      const auto [failed] = co_await stream_->Writable();
      GODWIT_CO_TRY(Interrupted());
      if (failed) co_return Fail(Code::kClosing, "the call to '{}' was cancelled", url_);
    } else if (went < 0) {
      co_return Lost(went);
    } else {
      bytes.remove_prefix(static_cast<size_t>(went));
    }
  }
  co_return Result<>();
}

asio::awaitable<Result<Response>> Client::Caller::Receive(bool to_head, const Sink& sink) {
  ResponseParser parser(options_.header_bytes, sink ? 0 : options_.body_bytes, to_head);
  while (!parser.done()) {
    GODWIT_CO_TRY(Interrupted());
    const ssize_t count = stream_->Receive(inbox_.Room());
    if (count == -EAGAIN) {
      const auto [failed] = co_await stream_->Readable();
      GODWIT_CO_TRY(Interrupted());
      if (failed) co_return Fail(Code::kClosing, "the call to '{}' was cancelled", url_);
      continue;
    }
    if (count < 0) co_return Lost(count);
    if (count == 0) {
      const Result<> ended = parser.FeedEnd();
      if (!ended) co_return Lost(ended.error().reason());
    } else {
      answered_ = true;
      inbox_.Came(static_cast<size_t>(count));
      GODWIT_CO_TRY(const size_t used,
                    parser.Feed(inbox_.bytes()).Within("cannot call '{}'", url_));
      inbox_.Used(used);
    }
    if (sink && parser.head_done()) {
      const std::string piece = parser.TakeBody();
      if (!piece.empty()) GODWIT_CO_TRY(co_await sink(parser.head(), piece));
    }
  }
  Response response = std::move(parser.head());
  if (!sink) response.body = parser.TakeBody();
  if (!parser.keep_alive() || !inbox_.empty()) stream_.reset();
  co_return response;
}

Client::Client(asio::any_io_executor executor, std::string_view url, ClientOptions options)
    : caller_(std::make_unique<Caller>(std::move(executor), url, std::move(options))) {}

Client::~Client() = default;

asio::awaitable<Result<Response>> Client::Fetch(Request request, Nanos timeout) {
  return caller_->Call(std::move(request), Sink(), timeout);
}

asio::awaitable<Result<Response>> Client::FetchStream(Request request, Sink sink, Nanos timeout) {
  return caller_->Call(std::move(request), std::move(sink), timeout);
}

void Client::Cancel() { caller_->Cancel(); }
Identity Client::peer() const { return caller_->peer(); }

Result<Response> FetchNow(std::string_view url, Request request, Nanos timeout) {
  ClientOptions options;
  options.way_out = "is the node running? start it with `godwit node`";
  return FetchNow(url, std::move(request), timeout, std::move(options));
}

Result<Response> FetchNow(std::string_view url, Request request, Nanos timeout,
                          ClientOptions options) {
  asio::io_context loop(1);
  Client client(loop.get_executor(), url, std::move(options));
  Result<Response> response = Fail(Code::kInternal, "the call to '{}' did not end", url);
  std::exception_ptr failed;
  asio::co_spawn(loop, client.Fetch(std::move(request), timeout),
                 [&](std::exception_ptr escaped, Result<Response> outcome) {
                   failed = std::move(escaped);
                   if (!failed) response = std::move(outcome);
                 });
  loop.run();
  if (failed) std::rethrow_exception(failed);
  return response;
}

}  // namespace godwit::http
