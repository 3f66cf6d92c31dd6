#pragma once

// A response out of bytes, apart from all I/O. One parser reads one response; interim ones (1xx)
// are passed over.
//
// Threads: one at a time. Failure: kCorrupt for what is no HTTP, kTooLarge beyond a limit; then it
// is of no more use.
#include <memory>
#include <string_view>

#include "base/error.h"
#include "http/head_scan.h"
#include "http/message.h"

namespace godwit::http {

class ResponseParser {
 public:
  // `to_head`: the request was a HEAD, so that no body follows. Zero is no limit.
  ResponseParser(size_t header_bytes, size_t body_bytes, bool to_head);
  ~ResponseParser();
  ResponseParser(const ResponseParser&) = delete;
  ResponseParser& operator=(const ResponseParser&) = delete;

  // Takes what it can from the front of `bytes` and says how many; what it leaves must come again,
  // with more behind it.
  Result<size_t> Feed(std::string_view bytes);
  // The peer has closed, which ends some bodies and cuts others short.
  Result<> FeedEnd();

  bool head_done() const { return head_done_; }
  bool done() const { return done_; }
  // Another response may follow on the connection.
  bool keep_alive() const;
  // Status and headers once head_done(); the body as far as it came since the last TakeBody().
  Response& head() { return response_; }
  std::string TakeBody();

 private:
  struct Beast;
  Result<size_t> FeedHead(std::string_view bytes);

  size_t header_bytes_;
  size_t body_bytes_;
  bool to_head_;
  HeadScan scan_;
  std::unique_ptr<Beast> beast_;
  Response response_;
  bool head_done_ = false;
  bool chunks_begun_ = false;
  bool done_ = false;
};

}  // namespace godwit::http
