#pragma once

// Requests out of bytes, apart from all I/O: a connection feeds it, and so does the fuzzer.
//
// Strict where leniency lets a request be smuggled past whoever stands in front: two lengths, a
// length beside a transfer coding, codings other than "chunked", bare LF, folded headers, control
// bytes, two Hosts. Grammar: RFC 9112. Threads: one at a time. Lifetime: the Limits outlive it.
// Failure: kInvalid, kTooLarge, kUnsupported; after a failure it is of no more use, and refusal()
// is the status to answer with.
#include <memory>
#include <span>
#include <string_view>

#include "base/error.h"
#include "http/head_scan.h"
#include "http/limits.h"
#include "http/message.h"

namespace godwit::http {

class RequestParser {
 public:
  explicit RequestParser(const Limits& limits);
  ~RequestParser();
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  // Takes what it can from the front of `bytes` and says how many. What it leaves must come again,
  // with more behind it, except when done().
  Result<size_t> Feed(std::string_view bytes);

  // Bodies of all requests to come have at most so many bytes, whatever the limits say.
  void CapBodies(size_t most) { body_cap_ = most; }

  // Where bytes of the body may be received without a copy; empty while Feed() is the way. Then say
  // how many came.
  std::span<char> BodyRoom();
  void BodyCame(size_t count);

  bool head_done() const { return head_done_; }
  bool done() const { return done_; }
  size_t body_bytes() const;  // that came so far
  // The client sends its body only when told "100 Continue", and has not been told.
  bool awaits_continue() const {
    return awaits_continue_ && head_done_ && !done_ && body_bytes() == 0;
  }
  void Continued() { awaits_continue_ = false; }
  int refusal() const { return refusal_; }

  bool http11() const;  // of the request whose head is done
  // The request that is done(); the parser is ready for the next one.
  Request Take();

 private:
  struct Beast;
  Result<size_t> FeedHead(std::string_view bytes);
  Result<> CheckHead();
  Result<> StartBody();
  Result<size_t> FeedChunks(std::string_view bytes);
  std::unexpected<Error> Refuse(int status, Code code, std::string_view why);

  const Limits& limits_;
  HeadScan scan_;
  std::unique_ptr<Beast> beast_;
  Request request_;
  size_t body_size_ = 0;  // by Content-Length
  size_t body_came_ = 0;  // of those
  size_t body_limit_ = 0;
  size_t body_cap_ = 0;  // 0: none
  int refusal_ = 400;
  bool skipped_line_ = false;
  bool head_done_ = false;
  bool chunked_ = false;
  bool chunks_begun_ = false;
  bool done_ = false;
  bool awaits_continue_ = false;
  bool http11_ = true;
};

}  // namespace godwit::http
