#include "aws/runtime_session.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "aws/runtime_message.h"
#include "aws/runtime_route.h"
#include "base/scope.h"
#include "base/try.h"

namespace godwit::aws {

namespace asio = boost::asio;
using functions::SavedSession;

namespace {

using std::chrono_literals::operator""s;

// A response that is somewhat too large is read to its end, so that the refusal can be read on the
// same connection.
constexpr size_t kMostRead = functions::kMaxResponse + (1 << 20);
// Bodies that nobody asked for are read, and refused in turn, up to here.
constexpr size_t kMostUnasked = 16 << 10;
// From its first byte to the end of its head, and of a body that nobody asked for. Generous: a
// function may have a small share of a processor. A response may be streamed for as long as its
// call may run.
constexpr Nanos kHeadTime = 30s;
constexpr Nanos kBodyTime = 60s;

// Without it an answer would wait for the acknowledgement of the one before (Nagle's algorithm, RFC
// 896).
void SendAtOnce(int socket) {
  const int on = 1;
  static_cast<void>(::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
}

bool IsResponseMode(std::string_view mode) {
  return mode.empty() || http::EqualsIgnoringCase(mode, "streaming") ||
         http::EqualsIgnoringCase(mode, "buffered");
}

}  // namespace

RuntimeSession::RuntimeSession(asio::any_io_executor executor, Fd socket,
                               functions::RuntimeCalls& calls, Upload& upload, EndDead end_dead)
    : calls_(calls), upload_(upload), end_dead_(std::move(end_dead)), gate_(executor) {
  limits_.body_bytes = [this](std::string_view method, std::string_view path) {
    return BodyLimit(method, path);
  };
  limits_.idle = limits_.write = Nanos::zero();
  limits_.head = kHeadTime;
  limits_.body = kBodyTime;
  SendAtOnce(socket.get());
  connection_.emplace(std::move(executor), std::move(socket), limits_);
}

Result<> RuntimeSession::Start(SavedSession::Awaiting from, functions::CallbackRef callback) {
  callback_ = std::move(callback);
  return gate_.Spawn(Run(from));
}

asio::awaitable<void> RuntimeSession::Stop() {
  co_await gate_.Close();
  connection_.reset();
}

// Asked once a request, when its head has come and it has a body.
size_t RuntimeSession::BodyLimit(std::string_view method, std::string_view path) {
  body_method_ = method;
  body_path_ = path;
  limits_.body = kBodyTime;
  const RuntimeRoute route = FindRuntimeRoute(method, path);
  const bool wanted =
      route.call == RuntimeCall::kInitError || route.call == RuntimeCall::kRestoreError ||
      ((route.call == RuntimeCall::kResponse || route.call == RuntimeCall::kError) &&
       calls_.Runs(route.id));
  if (!wanted || (upload_ != nullptr && upload_ != this)) return kMostUnasked;
  upload_ = this;
  limits_.body = Nanos::zero();
  return kMostRead;
}

void RuntimeSession::EndUpload() {
  if (upload_ == this) upload_ = nullptr;
}

bool RuntimeSession::IsDead() const {
  const bool waits = stage_ != Stage::kWorking && stage_ != Stage::kReading;
  if (!waits || deaf_ || !connection_) return false;
  pollfd socket{connection_->NativeHandle(), POLLRDHUP, 0};
  return ::poll(&socket, 1, 0) == 1;
}

asio::awaitable<void> RuntimeSession::Run(SavedSession::Awaiting from) {
  bool goes_on = co_await GoOn(from);
  while (goes_on) {
    stage_ = Stage::kReading;
    auto request = co_await connection_->Read();
    stage_ = Stage::kWorking;
    if (!request) {
      if (request.error().code() != Code::kClosing) co_await Refuse(request.error());
      break;
    }
    goes_on = co_await Serve(*std::move(request));
    EndUpload();
  }
  EndUpload();
  connection_.reset();
}

// Answers what was asked before a suspension.
asio::awaitable<bool> RuntimeSession::GoOn(SavedSession::Awaiting from) {
  switch (from) {
    case SavedSession::Awaiting::kNext:
      return AnswerNext();
    case SavedSession::Awaiting::kCallback:
      return AnswerCallback();
    case SavedSession::Awaiting::kRestore:
      return AnswerRestore();
    case SavedSession::Awaiting::kRequest:
      break;
  }
  return []() -> asio::awaitable<bool> { co_return true; }();
}

asio::awaitable<bool> RuntimeSession::Serve(http::Request request) {
  const RuntimeRoute route = FindRuntimeRoute(request.method, request.path);
  switch (route.call) {
    case RuntimeCall::kNext:
      return AnswerNext();
    case RuntimeCall::kResponse:
      return Send(Posted(route.id, request, false));
    case RuntimeCall::kError:
      return Send(Posted(route.id, request, true));
    case RuntimeCall::kInitError:
      return Send(RuntimeVerdict(
          calls_.InitFailed(std::string(request.Get("Lambda-Runtime-Function-Error-Type")),
                            std::move(request.body))));
    case RuntimeCall::kRestoreNext:
      return AnswerRestore();
    case RuntimeCall::kRestoreError:
      return Send(RuntimeVerdict(
          calls_.RestoreFailed(std::string(request.Get("Lambda-Runtime-Function-Error-Type")),
                               std::move(request.body))));
    case RuntimeCall::kCallback:
      callback_ = {std::string(route.id), route.number};
      return AnswerCallback();
    case RuntimeCall::kPing:
      return Send(http::Text(200, "pong"));
    case RuntimeCall::kOtherMethod:
      return Send(RuntimeRefusal(405, "MethodNotAllowed",
                                 fmt::format("'{}' has another method", request.path)));
    case RuntimeCall::kUnknown:
      break;
  }
  return Send(
      RuntimeRefusal(404, "NotFound", fmt::format("'{}' is not of the Runtime API", request.path)));
}

asio::awaitable<bool> RuntimeSession::AnswerNext() {
  stage_ = Stage::kAwaitingNext;
  auto next = co_await calls_.AwaitNext();
  stage_ = Stage::kWorking;
  if (!next && next.error().code() == Code::kConflict && co_await end_dead_()) {
    stage_ = Stage::kAwaitingNext;
    next = co_await calls_.AwaitNext();
    stage_ = Stage::kWorking;
  }
  if (next) co_return co_await Send(RuntimeEvent(*next));
  if (next.error().code() == Code::kClosing) co_return false;
  co_return co_await Send(RuntimeVerdict(std::unexpected(next.error())));
}

asio::awaitable<bool> RuntimeSession::AnswerCallback() {
  stage_ = Stage::kAwaitingCallback;
  const auto there = co_await calls_.AwaitCallback(callback_);
  stage_ = Stage::kWorking;
  if (!there && there.error().code() == Code::kClosing) co_return false;
  auto payload = there ? co_await calls_.ReadCallback(callback_)
                       : Result<std::string>(std::unexpected(there.error()));
  if (payload) co_return co_await Send(http::Json(200, *std::move(payload)));
  co_return co_await Send(RuntimeVerdict(std::unexpected(std::move(payload).error())));
}

asio::awaitable<bool> RuntimeSession::AnswerRestore() {
  stage_ = Stage::kAwaitingRestore;
  const auto restored = co_await calls_.AwaitRestore();
  stage_ = Stage::kWorking;
  if (restored) co_return co_await Send(RuntimeRestored(*restored));
  if (restored.error().code() == Code::kClosing) co_return false;
  co_return co_await Send(RuntimeVerdict(std::unexpected(restored.error())));
}

asio::awaitable<bool> RuntimeSession::Send(http::Response response) {
  const auto sent = co_await connection_->Write(std::move(response));
  co_return sent && connection_->open();
}

// What a runtime posted to .../{id}/response or .../{id}/error.
http::Response RuntimeSession::Posted(std::string_view id, http::Request& request, bool is_error) {
  if (!is_error && !IsResponseMode(request.Get("Lambda-Runtime-Function-Response-Mode"))) {
    return RuntimeRefusal(400, "InvalidFunctionResponseMode", "Invalid function response mode");
  }
  if (request.body.size() > functions::kMaxResponse) return RuntimeVerdict(TooLarge(id));
  if (!is_error) return RuntimeVerdict(calls_.Respond(std::string(id), std::move(request.body)));
  const std::string_view type = request.Get("Lambda-Runtime-Function-Error-Type");
  return RuntimeVerdict(calls_.Fail(std::string(id),
                                    std::string(type.empty() ? "Function.Unknown" : type),
                                    std::move(request.body)));
}

// The caller gets a failure and the runtime a refusal.
Result<> RuntimeSession::TooLarge(std::string_view id) {
  constexpr std::string_view kType = "Function.ResponseSizeTooLarge";
  GODWIT_TRY(calls_.Fail(
      std::string(id), std::string(kType),
      RuntimeErrorObject(
          kType,
          fmt::format("Response payload size exceeded maximum allowed payload size ({} bytes).",
                      functions::kMaxResponse))));
  return Fail(Code::kTooLarge, "the response is too large");
}

// The request could not be read; the connection ends with the answer to it.
asio::awaitable<void> RuntimeSession::Refuse(const Error& why) {
  http::Response response =
      RuntimeRefusal(connection_->refusal(), "InvalidRequest", why.ToString());
  if (connection_->refusal() == 413) {
    const RuntimeRoute route = FindRuntimeRoute(body_method_, body_path_);
    if (route.id.empty()) {
      response = RuntimeVerdict(Fail(Code::kTooLarge, "the body is too large"));
    } else if (upload_ != this && calls_.Runs(route.id)) {
      response = RuntimeVerdict(Fail(Code::kConflict, "another connection sends a response"));
    } else {
      response = RuntimeVerdict(TooLarge(route.id));
    }
  }
  EndUpload();
  response.close = true;
  if (co_await connection_->Write(std::move(response))) co_await connection_->Linger();
}

Result<> RuntimeSession::CheckQueues() const {
  int unread = 0;
  int unacknowledged = 0;
  if (::ioctl(connection_->NativeHandle(), SIOCINQ, &unread) != 0 ||
      ::ioctl(connection_->NativeHandle(), SIOCOUTQ, &unacknowledged) != 0) {
    return FailErrno(errno, "cannot look at the queues of a Runtime API connection");
  }
  if (unread == 0 && unacknowledged == 0) return {};
  return Fail(Code::kBusy, "a message between the function and its Runtime API is on its way");
}

Result<> RuntimeSession::Hold() {
  if (deaf_) return {};
  if (stage_ == Stage::kWorking || !connection_->Quiet() || IsDead()) {
    return Fail(Code::kBusy, "a request of the function to its Runtime API is half way");
  }
  const int socket = connection_->NativeHandle();
  GODWIT_TRY(CheckQueues());
  GODWIT_TRY(checkpoint::Deafen(socket));
  // And again, for until here something could still arrive.
  if (auto checked = CheckQueues(); !checked) {
    GODWIT_TRY(checkpoint::Undeafen(socket));
    return checked;
  }
  deaf_ = true;
  return {};
}

Result<SavedSession> RuntimeSession::Save() {
  if (!deaf_ || stage_ == Stage::kWorking) {
    return Fail(Code::kBusy, "a connection of the function to its Runtime API is not held");
  }
  in_repair_ = true;  // also if it fails half way
  SavedSession saved;
  if (stage_ == Stage::kAwaitingNext) saved.awaiting = SavedSession::Awaiting::kNext;
  if (stage_ == Stage::kAwaitingRestore) saved.awaiting = SavedSession::Awaiting::kRestore;
  if (stage_ == Stage::kAwaitingCallback) {
    saved.awaiting = SavedSession::Awaiting::kCallback;
    saved.callback = callback_;
  }
  GODWIT_TRY(saved.tcp, checkpoint::SaveTcp(connection_->NativeHandle()));
  return saved;
}

Result<> RuntimeSession::Release() {
  if (!connection_) return {};
  if (std::exchange(in_repair_, false))
    GODWIT_TRY(checkpoint::LeaveRepair(connection_->NativeHandle()));
  if (std::exchange(deaf_, false)) GODWIT_TRY(checkpoint::Undeafen(connection_->NativeHandle()));
  return {};
}

}  // namespace godwit::aws
