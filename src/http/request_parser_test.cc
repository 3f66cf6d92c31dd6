#include "http/request_parser.h"

#include <gmock/gmock.h>

#include <string>

namespace godwit::http {
namespace {

Limits Small() {
  Limits limits;
  limits.header_bytes = 512;
  limits.header_count = 8;
  limits.body_bytes = [](std::string_view, std::string_view path) {
    return path == "/big" ? size_t{64} : size_t{16};
  };
  return limits;
}

struct Parsed {
  Result<Request> request = Fail(Code::kUnavailable, "more bytes are needed");
  int refusal = 0;
  size_t used = 0;
};

// Feeds `bytes` in steps of `step`; each call sees what the last one left and `step` more.
Parsed Parse(std::string_view bytes, size_t step = std::string::npos,
             const Limits& limits = Small()) {
  RequestParser parser(limits);
  Parsed parsed;
  size_t shown = 0;
  while (shown < bytes.size() && !parser.done()) {
    shown = step < bytes.size() - shown ? shown + step : bytes.size();
    const auto used = parser.Feed(bytes.substr(parsed.used, shown - parsed.used));
    if (!used) {
      parsed.request = std::unexpected(used.error());
      parsed.refusal = parser.refusal();
      return parsed;
    }
    parsed.used += *used;
  }
  if (parser.done()) parsed.request = parser.Take();
  return parsed;
}

TEST(RequestParserTest, ARequestIsTakenApartHoweverItsBytesArrive) {
  const std::string bytes =
      "POST /2015-03-31/functions/f/invocations?Qualifier=%24LATEST&x=1 HTTP/1.1\r\n"
      "Host: 127.0.0.1:9000\r\nX-Amz-Log-Type:  Tail \t\r\nEmpty:\r\nContent-Length: 11\r\n\r\n"
      "{\"name\": 1}GET / HTTP/1.1\r\n";
  for (size_t step = 1; step <= bytes.size(); ++step) {
    const Parsed parsed = Parse(bytes, step);
    ASSERT_TRUE(parsed.request) << parsed.request.error().ToString();
    const Request& request = *parsed.request;
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.target, "/2015-03-31/functions/f/invocations?Qualifier=%24LATEST&x=1");
    EXPECT_EQ(request.path, "/2015-03-31/functions/f/invocations");
    EXPECT_EQ(request.query, "Qualifier=%24LATEST&x=1");
    EXPECT_EQ(request.Get("x-amz-log-type"), "Tail");
    EXPECT_EQ(request.headers.size(), 4U);
    EXPECT_EQ(request.body, "{\"name\": 1}");
    EXPECT_TRUE(request.keep_alive);
    EXPECT_EQ(bytes.substr(parsed.used), "GET / HTTP/1.1\r\n");
  }
}

TEST(RequestParserTest, ChunksAreJoinedAndTrailersDropped) {
  const std::string bytes =
      "PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"
      "5;ext=\"q\"\r\nhello\r\n001\r\n!\r\n0\r\nX-Admin: yes\r\nX-Checksum: 1\r\n\r\nrest";
  for (size_t step = 1; step <= bytes.size(); ++step) {
    const Parsed parsed = Parse(bytes, step);
    ASSERT_TRUE(parsed.request) << step << ": " << parsed.request.error().ToString();
    EXPECT_EQ(parsed.request->body, "hello!");
    EXPECT_EQ(parsed.request->Get("X-Admin"), "");
    EXPECT_EQ(bytes.substr(parsed.used), "rest");
  }
}

TEST(RequestParserTest, KeepAliveFollowsVersionAndConnection) {
  EXPECT_TRUE(Parse("GET / HTTP/1.1\r\nHost: a\r\n\r\n").request->keep_alive);
  EXPECT_FALSE(
      Parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: foo, Close\r\n\r\n").request->keep_alive);
  EXPECT_FALSE(Parse("GET / HTTP/1.0\r\n\r\n").request->keep_alive);
  EXPECT_TRUE(Parse("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").request->keep_alive);
}

TEST(RequestParserTest, TargetsOfEachFormHaveAPath) {
  const auto path = [](const std::string& line) {
    return Parse(line + " HTTP/1.1\r\nHost: a\r\n\r\n").request->path;
  };
  EXPECT_EQ(path("GET http://a:9000/b/c?d"), "/b/c");
  EXPECT_EQ(path("GET HTTP://a"), "/");
  EXPECT_EQ(path("GET http://a?q=/x"), "/");
  EXPECT_EQ(path("OPTIONS *"), "*");
  EXPECT_EQ(path("GET /?"), "/");
  EXPECT_EQ(path("GET //a/../b"), "//a/../b") << "a handler decodes it and decides";
}

TEST(RequestParserTest, OneEmptyLineBeforeARequestIsPassedOver) {
  for (size_t step = 1; step <= 30; ++step) {
    EXPECT_TRUE(Parse("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", step).request) << step;
  }
  EXPECT_FALSE(Parse("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").request);
}

TEST(RequestParserTest, LimitsHoldAtTheirBorder) {
  const std::string start = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
  const std::string fits = start + std::string(512 - start.size() - 4, 'x') + "\r\n\r\n";
  EXPECT_TRUE(Parse(fits).request);
  EXPECT_EQ(Parse(start + std::string(513 - start.size() - 4, 'x') + "\r\n\r\n").refusal, 431);
  EXPECT_EQ(Parse("GET /" + std::string(600, 'x'), 100).refusal, 431) << "before it has all come";

  std::string headers = "Host: a\r\n";
  for (int i = 0; i < 7; ++i) headers += "A: b\r\n";
  EXPECT_TRUE(Parse("GET / HTTP/1.1\r\n" + headers + "\r\n").request);
  const Parsed many = Parse("GET / HTTP/1.1\r\n" + headers + "A: b\r\n\r\n");
  EXPECT_EQ(many.refusal, 431);
  EXPECT_EQ(many.request.error().code(), Code::kTooLarge);

  const std::string post = "POST / HTTP/1.1\r\nHost: a\r\n";
  EXPECT_TRUE(Parse(post + "Content-Length: 16\r\n\r\n0123456789abcdef").request);
  EXPECT_EQ(Parse(post + "Content-Length: 17\r\n\r\n").refusal, 413) << "before any of it came";
  EXPECT_TRUE(Parse(post + "Transfer-Encoding: chunked\r\n\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n")
                  .request);
  EXPECT_EQ(Parse(post + "Transfer-Encoding: chunked\r\n\r\n8\r\n01234567\r\n9\r\n").refusal, 413);
  EXPECT_TRUE(
      Parse("POST /big HTTP/1.1\r\nHost: a\r\nContent-Length: 17\r\n\r\n0123456789abcdefg").request)
      << "the path chooses the limit";
}

TEST(RequestParserTest, ZeroIsNoLimit) {
  Limits none;
  none.header_bytes = none.header_count = 0;
  none.body_bytes = nullptr;
  std::string request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n";
  for (int i = 0; i < 5000; ++i) request += "Name: value\r\n";
  request += "\r\n" + std::string(3000000, 'b');
  EXPECT_EQ(Parse(request, request.npos, none).request->body.size(), 3000000U);
}

TEST(RequestParserTest, TheParserIsReadyForTheNextRequest) {
  const Limits limits = Small();
  RequestParser parser(limits);
  std::string bytes =
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
      "hiPOST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
      "GET /last HTTP/1.1\r\nHost: a\r\n\r\n";
  std::vector<std::string> bodies;
  while (!bytes.empty()) {
    const auto used = parser.Feed(bytes);
    ASSERT_TRUE(used) << used.error().ToString();
    ASSERT_TRUE(parser.done());
    bytes.erase(0, *used);
    bodies.push_back(parser.Take().body);
  }
  EXPECT_THAT(bodies, ::testing::ElementsAre("hi", "x", ""));
}

TEST(RequestParserTest, ABodyGrowsOnlyAsItComes) {
  Limits limits;
  limits.body_bytes = nullptr;
  RequestParser parser(limits);
  ASSERT_TRUE(parser.Feed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999999\r\n\r\n"));
  EXPECT_LE(parser.BodyRoom().size(), size_t{1} << 20)
      << "a length that is only claimed takes no memory";
}

// Requests that one program reads in one way and another in another, and other mischief. None may
// be accepted.
TEST(RequestParserTest, HostileRequestsAreRefused) {
  struct Case {
    std::string bytes;
    int status;
  };
  const std::string get = "GET / HTTP/1.1\r\nHost: a\r\n";
  const std::string post = "POST / HTTP/1.1\r\nHost: a\r\n";
  const std::string chunked = post + "Transfer-Encoding: chunked\r\n\r\n";
  const std::string nul(1, '\0');
  for (const Case& c : {
           // Where the body ends
           Case{post + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
           Case{post + "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n", 400},
           Case{post + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400},
           Case{post + "Content-Length: 1, 2\r\n\r\nab", 400},
           Case{post + "Content-Length: 1, 1\r\n\r\na", 400},
           Case{post + "Content-Length: +1\r\n\r\na", 400},
           Case{post + "Content-Length: -1\r\n\r\na", 400},
           Case{post + "Content-Length: 0x1\r\n\r\na", 400},
           Case{post + "Content-Length: 1 1\r\n\r\na", 400},
           Case{post + "Content-Length:\r\n\r\na", 400},
           Case{post + "Content-Length: 99999999999999999999\r\n\r\na", 400},
           Case{post + "Transfer-Encoding: gzip\r\n\r\n", 501},
           Case{post + "Transfer-Encoding: identity\r\n\r\n", 501},
           Case{post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
           Case{post + "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 501},
           Case{post + "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", 501},
           Case{post + "Transfer-Encoding: \x0b"
                       "chunked\r\n\r\n0\r\n\r\n",
                400},
           Case{post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501},
           Case{post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                400},
           Case{post + "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                501},
           Case{"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
           // Where a line ends
           Case{"GET / HTTP/1.1\nHost: a\n\n", 400},
           Case{"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400},
           Case{"GET / HTTP/1.1\rHost: a\r\n\r\n", 400},
           Case{get + "X: a\rb\r\n\r\n", 400},
           Case{get + "X: a\r\n folded\r\n\r\n", 400},
           Case{get + "X: a\r\n\tfolded\r\n\r\n", 400},
           Case{"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
           Case{"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
           // What a header may hold
           Case{get + "X: a" + nul + "b\r\n\r\n", 400},
           Case{get + "X: a\x01"
                      "b\r\n\r\n",
                400},
           Case{get + "X: a\x7f"
                      "b\r\n\r\n",
                400},
           Case{get + "X : a\r\n\r\n", 400},
           Case{get + "X" + nul + ": a\r\n\r\n", 400},
           Case{get + ": a\r\n\r\n", 400},
           Case{get + "X\r\n\r\n", 400},
           Case{get + "Host: b\r\n\r\n", 400},
           Case{"GET / HTTP/1.1\r\nX: a\r\n\r\n", 400},
           Case{get + "Expect: the unexpected\r\n\r\n", 417},
           // What a request line may hold
           Case{"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
           Case{"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400},
           Case{"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
           Case{"GET /a" + nul + " HTTP/1.1\r\nHost: a\r\n\r\n", 400},
           Case{"GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n", 400},
           Case{"GET relative HTTP/1.1\r\nHost: a\r\n\r\n", 400},
           Case{"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
           Case{"G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
           Case{" / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
           Case{"GET /\r\n\r\n", 400},
           Case{"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
           Case{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
           Case{"GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400},
           Case{"GET / http/1.1\r\nHost: a\r\n\r\n", 400},
           Case{"\x16\x03\x01\x02\r\n\r\n", 400},
           // What a chunk may hold
           Case{chunked + "x\r\n\r\n", 400},
           Case{chunked + "-1\r\n\r\n", 400},
           Case{chunked + "0x1\r\na\r\n\r\n", 400},
           Case{chunked + "1 \r\na\r\n", 400},
           Case{chunked + "1\na\n0\n\n\r\n\r\n", 400},
           Case{chunked + "1\r\nab\r\n0\r\n\r\n", 400},
           Case{chunked + "1\r\na0\r\n\r\n", 400},
           Case{chunked + "ffffffffffffffffff\r\n", 400},
           Case{chunked + "fffffffffffffff\r\n", 413},
           Case{chunked + "1;\r\na\r\n0\r\n\r\n", 400},
           Case{chunked + "0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
           Case{chunked + "0\r\nContent-Length: 1\r\n\r\n", 400},
           Case{chunked + "0\r\nbroken\r\n\r\n", 400},
           Case{chunked + "1;" + std::string(20000, 'x'), 400},
       }) {
    for (const size_t step : {size_t{1}, size_t{7}, std::string::npos}) {
      const Parsed parsed = Parse(c.bytes, step);
      ASSERT_FALSE(parsed.request) << c.bytes;
      EXPECT_EQ(parsed.refusal, c.status) << parsed.request.error().ToString() << "\n" << c.bytes;
    }
  }
}

}  // namespace
}  // namespace godwit::http
