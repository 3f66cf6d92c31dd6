#include "http/response_parser.h"

#include <optional>
#include <utility>

#include "base/try.h"
#include "http/beast_message.h"

namespace godwit::http {
namespace {

namespace beast = boost::beast;

constexpr size_t kMostFraming = size_t{16} << 10;

}  // namespace

struct ResponseParser::Beast {
  std::optional<BeastMessage<false>> message;
};

ResponseParser::ResponseParser(size_t header_bytes, size_t body_bytes, bool to_head)
    : header_bytes_(header_bytes),
      body_bytes_(body_bytes),
      to_head_(to_head),
      beast_(std::make_unique<Beast>()) {}

ResponseParser::~ResponseParser() = default;

Result<size_t> ResponseParser::Feed(std::string_view bytes) {
  size_t used = 0;
  while (!head_done_) {
    GODWIT_TRY(const size_t head, FeedHead(bytes.substr(used)));
    if (head == 0) return used;
    used += head;
  }
  auto& message = *beast_->message;
  if (message.chunked() && !chunks_begun_ && bytes.size() - used < kLeastChunks) return used;
  chunks_begun_ = true;
  beast::error_code failed;
  while (used < bytes.size() && !message.is_done() && !failed) {
    used += message.put(boost::asio::buffer(bytes.data() + used, bytes.size() - used), failed);
  }
  done_ = message.is_done();
  if (failed == beast::http::error::body_limit) {
    return Fail(Code::kTooLarge, "the body of the response has more than {} bytes", body_bytes_);
  }
  if (failed && failed != beast::http::error::need_more) {
    return Fail(Code::kCorrupt, "the response is not HTTP: {}", failed.message());
  }
  if (!done_ && bytes.size() - used > kMostFraming) {
    return Fail(Code::kCorrupt, "the response is not HTTP: a chunk's header is too long");
  }
  return used;
}

Result<size_t> ResponseParser::FeedHead(std::string_view bytes) {
  auto found = scan_.Find(bytes);
  if (!found) return Fail(Code::kCorrupt, "the response is not HTTP: {}", found.error().reason());
  if (header_bytes_ > 0 &&
      (*found > header_bytes_ || (*found == 0 && bytes.size() >= header_bytes_))) {
    return Fail(Code::kTooLarge, "the head of the response has more than {} bytes", header_bytes_);
  }
  if (*found == 0) return 0;
  auto& message = beast_->message.emplace(0);
  message.skip(to_head_);
  beast::error_code failed;
  message.put(boost::asio::buffer(bytes.data(), *found), failed);
  if (failed || !message.is_header_done()) {
    return Fail(Code::kCorrupt, "the response is not HTTP: {}", failed.message());
  }
  if (message.coded && !message.only_chunked) {
    return Fail(Code::kUnsupported, "the response has a transfer coding other than chunked");
  }
  scan_.Reset();
  if (message.status / 100 == 1) return *found;
  response_.status = message.status;
  response_.headers = std::move(message.headers);
  message.eager(true);
  if (body_bytes_ > 0) message.body_limit(body_bytes_);
  if (const auto length = message.content_length();
      length && !message.is_done() && body_bytes_ > 0 && *length > body_bytes_) {
    return Fail(Code::kTooLarge, "the body of the response has more than {} bytes", body_bytes_);
  }
  head_done_ = true;
  done_ = message.is_done();
  return *found;
}

Result<> ResponseParser::FeedEnd() {
  if (!head_done_) return Fail(Code::kUnavailable, "the connection ended before a response came");
  if (done_) return {};
  beast::error_code failed;
  beast_->message->put_eof(failed);
  if (failed) return Fail(Code::kUnavailable, "the connection ended in the middle of the response");
  done_ = true;
  return {};
}

bool ResponseParser::keep_alive() const { return done_ && beast_->message->keep_alive(); }

std::string ResponseParser::TakeBody() {
  if (!head_done_) return {};
  return std::exchange(beast_->message->body, std::string());
}

}  // namespace godwit::http
