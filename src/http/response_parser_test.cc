#include "http/response_parser.h"

#include <gmock/gmock.h>

#include <string>

#include "base/try.h"

namespace godwit::http {
namespace {

struct Parsed {
  Response response;
  bool keep_alive = false;
  size_t used = 0;
};

Result<Parsed> Parse(std::string_view bytes, size_t step = std::string::npos,
                     bool to_head = false) {
  ResponseParser parser(256, 16, to_head);
  Parsed parsed;
  size_t shown = 0;
  while (shown < bytes.size() && !parser.done()) {
    shown = step < bytes.size() - shown ? shown + step : bytes.size();
    GODWIT_TRY(const size_t used, parser.Feed(bytes.substr(parsed.used, shown - parsed.used)));
    parsed.used += used;
    parsed.response.body += parser.TakeBody();
  }
  if (!parser.done()) GODWIT_TRY(parser.FeedEnd());
  parsed.response.status = parser.head().status;
  parsed.response.headers = parser.head().headers;
  parsed.response.body += parser.TakeBody();
  parsed.keep_alive = parser.keep_alive();
  return parsed;
}

TEST(ResponseParserTest, EachFramingHoweverItsBytesArrive) {
  const std::string head = "HTTP/1.1 201 Created\r\nX: y\r\n";
  for (const std::string rest :
       {"Content-Length: 5\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n1\r\nh\r\n4\r\nello\r\n0\r\nT: x\r\n\r\n"}) {
    const std::string bytes = head + rest + "next";
    for (size_t step = 1; step <= bytes.size(); ++step) {
      const auto parsed = Parse(bytes, step);
      ASSERT_TRUE(parsed) << parsed.error().ToString();
      EXPECT_EQ(parsed->response.status, 201);
      EXPECT_EQ(parsed->response.Get("x"), "y");
      EXPECT_EQ(parsed->response.Get("t"), "");
      EXPECT_EQ(parsed->response.body, "hello");
      EXPECT_TRUE(parsed->keep_alive);
      EXPECT_EQ(bytes.substr(parsed->used), "next");
    }
  }
}

TEST(ResponseParserTest, ABodyWithoutALengthEndsWithTheConnection) {
  const auto parsed = Parse("HTTP/1.1 200 OK\r\n\r\nall of it", 3);
  ASSERT_TRUE(parsed) << parsed.error().ToString();
  EXPECT_EQ(parsed->response.body, "all of it");
  EXPECT_FALSE(parsed->keep_alive);
}

TEST(ResponseParserTest, SomeResponsesHaveNoBodyWhateverTheySay) {
  EXPECT_EQ(Parse("HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\nnext")->response.body, "");
  EXPECT_EQ(Parse("HTTP/1.1 304 Not Modified\r\n\r\nnext")->response.body, "");
  EXPECT_EQ(Parse("HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n", std::string::npos, true)
                ->response.body,
            "");
}

TEST(ResponseParserTest, InterimResponsesArePassedOver) {
  const auto parsed = Parse(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 404 "
      "\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(parsed) << parsed.error().ToString();
  EXPECT_EQ(parsed->response.status, 404);
  EXPECT_EQ(parsed->response.Get("a"), "");
}

TEST(ResponseParserTest, WhatIsNoResponseIsRefused) {
  struct Case {
    std::string bytes;
    Code code;
  };
  const std::string ok = "HTTP/1.1 200 OK\r\n";
  for (const Case& c :
       {Case{"SSH-2.0-OpenSSH_9.2\r\n\r\n", Code::kCorrupt},
        Case{"HTTP/1.1 2x0 OK\r\n\r\n", Code::kCorrupt},
        Case{"HTTP/1.1 200 OK\n\n", Code::kCorrupt},
        Case{ok + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", Code::kCorrupt},
        Case{ok + "Transfer-Encoding: gzip, chunked\r\n\r\n", Code::kUnsupported},
        Case{ok + "Transfer-Encoding: chunked\r\n\r\nxxxxx\r\n", Code::kCorrupt},
        Case{ok + "X: " + std::string(300, 'x'), Code::kTooLarge},
        Case{ok + "Content-Length: 17\r\n\r\n", Code::kTooLarge},
        Case{ok + "Transfer-Encoding: chunked\r\n\r\n11\r\nx", Code::kTooLarge},
        Case{ok + "\r\n" + std::string(17, 'x'), Code::kTooLarge}, Case{"", Code::kUnavailable},
        Case{"HTTP/1.1 200 OK\r\nX", Code::kUnavailable},
        Case{ok + "Content-Length: 5\r\n\r\nhell", Code::kUnavailable},
        Case{ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", Code::kUnavailable}}) {
    for (const size_t step : {size_t{1}, std::string::npos}) {
      const auto parsed = Parse(c.bytes, step);
      ASSERT_FALSE(parsed) << c.bytes;
      EXPECT_EQ(parsed.error().code(), c.code) << parsed.error().ToString() << "\n" << c.bytes;
    }
  }
}

}  // namespace
}  // namespace godwit::http
