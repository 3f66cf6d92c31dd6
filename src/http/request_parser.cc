#include "http/request_parser.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/try.h"
#include "http/beast_message.h"

namespace godwit::http {
namespace {

namespace beast = boost::beast;

// A body grows by doubling from here, so that a length that is only claimed does not take memory.
constexpr size_t kFirstRoom = size_t{64} << 10;
// Of a chunk's header or the trailers; what is longer is no use to anybody.
constexpr size_t kMostFraming = size_t{16} << 10;

// The path and the query of a target in origin form or absolute form (RFC 9112 section 3.2).
void SplitTarget(Request& request) {
  std::string_view rest = request.target;
  if (rest.size() > 7 && EqualsIgnoringCase(rest.substr(0, 7), "http://")) {
    rest.remove_prefix(7);
    rest.remove_prefix(std::min(rest.size(), rest.find_first_of("/?")));
  }
  const size_t mark = rest.find('?');
  request.path = rest.substr(0, mark);
  if (request.path.empty()) request.path = "/";
  if (mark != rest.npos) request.query = rest.substr(mark + 1);
}

bool IsTarget(const Request& request) {
  const std::string_view target = request.target;
  if (request.method == "CONNECT") return true;
  if (target == "*") return request.method == "OPTIONS";
  return target.starts_with('/') || EqualsIgnoringCase(target.substr(0, 7), "http://");
}

bool AsksForAnotherVersion(std::string_view line) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (line.size() < 9) return false;
  const std::string_view version = line.substr(line.size() - 9);
  return version.starts_with(" HTTP/") && digit(version[6]) && version[7] == '.' &&
         digit(version[8]) && version != " HTTP/1.0" && version != " HTTP/1.1";
}

}  // namespace

struct RequestParser::Beast {
  std::optional<BeastMessage<true>> message;
};

RequestParser::RequestParser(const Limits& limits)
    : limits_(limits), beast_(std::make_unique<Beast>()) {}

RequestParser::~RequestParser() = default;

std::unexpected<Error> RequestParser::Refuse(int status, Code code, std::string_view why) {
  refusal_ = status;
  return Fail(code, "cannot read the request: {}", why);
}

Result<size_t> RequestParser::Feed(std::string_view bytes) {
  size_t used = 0;
  if (!head_done_) {
    // One empty line before a request is an old client's habit (RFC 9112 section 2.2).
    if (!skipped_line_ && bytes.starts_with("\r\n")) {
      skipped_line_ = true;
      scan_.Reset();
      used = 2;
    }
    GODWIT_TRY(const size_t head, FeedHead(bytes.substr(used)));
    used += head;
    if (!head_done_) return used;
  }
  if (done_) return used;
  bytes.remove_prefix(used);
  if (chunked_) {
    GODWIT_TRY(const size_t framed, FeedChunks(bytes));
    return used + framed;
  }
  while (!done_ && !bytes.empty()) {
    const std::span<char> room = BodyRoom();
    const size_t count = std::min(room.size(), bytes.size());
    std::copy_n(bytes.data(), count, room.data());
    BodyCame(count);
    bytes.remove_prefix(count);
    used += count;
  }
  return used;
}

Result<size_t> RequestParser::FeedHead(std::string_view bytes) {
  auto found = scan_.Find(bytes);
  if (!found) return Refuse(400, Code::kInvalid, found.error().reason());
  const size_t limit = limits_.header_bytes;
  if (limit > 0 && (*found > limit || (*found == 0 && bytes.size() >= limit))) {
    return Refuse(
        431, Code::kTooLarge,
        fmt::format("its head is longer than {} bytes (send fewer or shorter headers)", limit));
  }
  if (*found == 0) return 0;
  auto& message = beast_->message.emplace(limits_.header_count);
  beast::error_code failed;
  message.put(boost::asio::buffer(bytes.data(), *found), failed);
  if (message.too_many) {
    return Refuse(431, Code::kTooLarge,
                  fmt::format("it has more than {} headers (send fewer)", limits_.header_count));
  }
  if (failed == beast::http::error::bad_version) {
    const bool other = AsksForAnotherVersion(bytes.substr(0, bytes.find('\r')));
    return Refuse(other ? 505 : 400, other ? Code::kUnsupported : Code::kInvalid,
                  "it is not HTTP/1.1 (use HTTP/1.1)");
  }
  if (failed) return Refuse(400, Code::kInvalid, failed.message());
  if (!message.is_header_done()) return Refuse(400, Code::kInvalid, "its head is cut short");
  head_done_ = true;
  GODWIT_TRY(CheckHead());
  GODWIT_TRY(StartBody());
  return *found;
}

Result<> RequestParser::CheckHead() {
  auto& message = *beast_->message;
  http11_ = message.version == 11;
  if (message.coded && !message.only_chunked) {
    return Refuse(501, Code::kUnsupported, "its transfer coding is unknown (use chunked, or none)");
  }
  if (message.coded && !http11_)
    return Refuse(400, Code::kInvalid, "HTTP/1.0 has no transfer codings");
  if (!message.plain_length) return Refuse(400, Code::kInvalid, "its Content-Length is no number");
  if (message.hosts > 1 || (message.hosts == 0 && http11_)) {
    return Refuse(400, Code::kInvalid, "it must have one Host header");
  }
  if (message.expects_other) {
    return Refuse(417, Code::kUnsupported,
                  "it expects what is unknown (only 100-continue is known)");
  }
  request_.method = std::move(message.method);
  request_.target = std::move(message.target);
  request_.headers = std::move(message.headers);
  request_.keep_alive = message.keep_alive();
  if (!IsTarget(request_))
    return Refuse(400, Code::kInvalid, "its target is neither a path nor a URL");
  SplitTarget(request_);
  return {};
}

Result<> RequestParser::StartBody() {
  auto& message = *beast_->message;
  chunked_ = message.chunked();
  const auto length = message.content_length();
  if (!chunked_ && length.value_or(0) == 0) {
    done_ = true;
    return {};
  }
  body_limit_ = limits_.body_bytes ? limits_.body_bytes(request_.method, request_.path) : 0;
  if (body_cap_ > 0 && (body_limit_ == 0 || body_cap_ < body_limit_)) body_limit_ = body_cap_;
  if (body_limit_ > 0 && length.value_or(0) > body_limit_) {
    return Refuse(
        413, Code::kTooLarge,
        fmt::format("its body has {} bytes, and at most {} are taken", *length, body_limit_));
  }
  awaits_continue_ = message.expects && http11_;
  if (chunked_) {
    message.eager(true);
    if (body_limit_ > 0) message.body_limit(body_limit_);
    return {};
  }
  if (*length > request_.body.max_size())
    return Refuse(413, Code::kTooLarge, "its body is beyond measure");
  body_size_ = static_cast<size_t>(*length);
  return {};
}

Result<size_t> RequestParser::FeedChunks(std::string_view bytes) {
  if (!chunks_begun_ && bytes.size() < kLeastChunks) return 0;
  chunks_begun_ = true;
  auto& message = *beast_->message;
  beast::error_code failed;
  size_t used = 0;
  while (used < bytes.size() && !done_ && !failed) {
    used += message.put(boost::asio::buffer(bytes.data() + used, bytes.size() - used), failed);
    done_ = message.is_done();
  }
  if (failed == beast::http::error::body_limit) {
    return Refuse(413, Code::kTooLarge,
                  fmt::format("its body has more than {} bytes", body_limit_));
  }
  if (failed && failed != beast::http::error::need_more)
    return Refuse(400, Code::kInvalid, failed.message());
  if (!done_ && bytes.size() - used > kMostFraming) {
    return Refuse(400, Code::kInvalid, "a chunk's header or the trailers are too long");
  }
  if (done_) request_.body = std::move(message.body);
  return used;
}

std::span<char> RequestParser::BodyRoom() {
  if (!head_done_ || done_ || chunked_) return {};
  std::string& body = request_.body;
  if (body_came_ == body.size()) {
    const size_t size = std::min(body_size_, std::max(kFirstRoom, body.size() * 2));
    body.resize_and_overwrite(size, [size](char*, size_t) { return size; });
  }
  return std::span(body).subspan(body_came_);
}

void RequestParser::BodyCame(size_t count) {
  body_came_ += count;
  done_ = body_came_ == body_size_;
}

size_t RequestParser::body_bytes() const {
  return chunked_ && !done_ ? beast_->message->body.size()
         : chunked_         ? request_.body.size()
                            : body_came_;
}

bool RequestParser::http11() const { return http11_; }

Request RequestParser::Take() {
  scan_.Reset();
  body_size_ = body_came_ = body_limit_ = 0;
  skipped_line_ = head_done_ = chunked_ = chunks_begun_ = done_ = awaits_continue_ = false;
  return std::exchange(request_, Request());
}

}  // namespace godwit::http
