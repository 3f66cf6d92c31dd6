#include <cerrno>
#include <utility>

#include "base/scope.h"
#include "base/try.h"
#include "http/session.h"

namespace godwit::http {

namespace asio = boost::asio;

namespace {

void Drop(std::string_view& piece, size_t& count) {
  const size_t gone = std::min(piece.size(), count);
  piece.remove_prefix(gone);
  count -= gone;
}

}  // namespace

class Session::Sink : public BodySink {
 public:
  Sink(Session& session, Framing framing) : session_(session), framing_(framing) {}

  asio::awaitable<Result<>> Write(std::string_view piece) override {
    if (!outcome_) co_return outcome_;  // a producer that goes on after a failure
    std::string& head = session_.out_;
    const bool chunked = framing_ == Framing::kChunked && !piece.empty();
    if (chunked) AppendChunkSize(head, piece.size());
    outcome_ = co_await session_.Send(head, piece, chunked ? "\r\n" : "");
    head.clear();
    co_return outcome_;
  }
  Result<> outcome() const { return outcome_; }

 private:
  Session& session_;
  Framing framing_;
  Result<> outcome_;
};

bool Session::IsBodiless(const Response& response) const {
  return to_head_ || http::IsBodiless(response.status);
}

Answering Session::AnsweringTo(const Response& response) const {
  Answering answering{.http11 = http11_, .close = response.close || !keep_alive_};
  if (response.stream) answering.framing = http11_ ? Framing::kChunked : Framing::kToTheEnd;
  if (answering.framing == Framing::kToTheEnd && !IsBodiless(response)) answering.close = true;
  return answering;
}

asio::awaitable<Result<>> Session::Write(Response response) {
  if (ended_) co_return Over("it was ended here");
  const Answering answering = AnsweringTo(response);
  out_.clear();
  GODWIT_CO_TRY(AppendHead(out_, response, answering));
  writing_ = true;
  // Left early, a response is half sent: nothing may follow it.
  ScopeExit broken([this] {
    writing_ = false;
    ended_ = true;
  });
  if (response.stream && !IsBodiless(response)) {
    GODWIT_CO_TRY(co_await Produce(response, answering.framing));
  } else {
    const std::string_view body = IsBodiless(response) ? std::string_view() : response.body;
    // Nearly always the kernel takes all at once.
    const ssize_t went = stream_.Send({out_, body});
    size_t gone = went > 0 ? static_cast<size_t>(went) : 0;
    if (gone < out_.size() + body.size()) {
      std::string_view head = out_;
      std::string_view rest = body;
      Drop(head, gone);
      Drop(rest, gone);
      GODWIT_CO_TRY(co_await Send(head, rest));
    }
  }
  broken.Release();
  writing_ = false;
  ended_ |= answering.close;
  if (answering.close) stream_.SayGoodbye();
  co_return Result<>();
}

asio::awaitable<Result<>> Session::Produce(const Response& response, Framing framing) {
  Sink sink(*this, framing);
  const Result<> produced = co_await response.stream(sink);
  GODWIT_CO_TRY(sink.outcome());
  if (!produced) co_return produced;
  if (framing == Framing::kChunked) out_.append("0\r\n\r\n");
  co_return co_await Send(out_);
}

asio::awaitable<Result<>> Session::Send(std::string_view first, std::string_view second,
                                        std::string_view third) {
  while (!first.empty() || !second.empty() || !third.empty()) {
    const ssize_t went = stream_.Send({first, second, third});
    if (went == -EAGAIN) {
      watch_.Arm(limits_.write);
      const auto [failed] = co_await stream_.Writable();
      watch_.Disarm();
      const Wake wake = Woken(failed);
      if (wake == Wake::kOver) co_return Over("it was ended here");
      if (wake == Wake::kReady) continue;
      ended_ = true;
      co_return Fail(Code::kTimeout, "cannot send the response: the peer does not take it");
    }
    if (went < 0) {
      ended_ = true;
      co_return Fail(Code::kUnavailable, "cannot send the response: {}",
                     stream_.Why(went).reason());
    }
    size_t gone = static_cast<size_t>(went);
    Drop(first, gone);
    Drop(second, gone);
    Drop(third, gone);
  }
  co_return Result<>();
}

void Session::WriteLast(const Response& response) {
  const bool midway = std::exchange(ended_, true) || writing_;
  if (midway) return;
  Answering answering = AnsweringTo(response);
  answering.close = true;
  out_.clear();
  if (!AppendHead(out_, response, answering)) return;
  const std::string_view body = IsBodiless(response) ? std::string_view() : response.body;
  static_cast<void>(stream_.Send({out_, body}));
}

}  // namespace godwit::http
