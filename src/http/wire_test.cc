#include "http/wire.h"

#include <gmock/gmock.h>

namespace godwit::http {
namespace {

std::string Head(const Response& response, Answering answering = {}) {
  std::string out;
  EXPECT_TRUE(AppendHead(out, response, answering));
  return out;
}

TEST(WireTest, HeadsSayHowTheBodyIsFramed) {
  Response response;
  response.body = "hello";
  EXPECT_EQ(Head(response), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(Head(response, {.framing = Framing::kChunked}),
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_EQ(Head(response, {.framing = Framing::kToTheEnd, .http11 = false, .close = true}),
            "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(Head(response, {.http11 = false}),
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n");
  response.status = 204;
  EXPECT_EQ(Head(response), "HTTP/1.1 204 No Content\r\n\r\n");
  response.status = 429;
  EXPECT_EQ(Head(response), "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 5\r\n\r\n");
  response.status = 799;
  EXPECT_EQ(Head(response), "HTTP/1.1 799 \r\nContent-Length: 5\r\n\r\n");
}

TEST(WireTest, AStatusThatEndsNothingIsNotSent) {
  for (const int status : {-1, 0, 100, 101, 199, 1000}) {
    std::string out;
    EXPECT_EQ(AppendHead(out, Text(status, ""), {}).error().code(), Code::kInvalid);
    EXPECT_EQ(out, "");
  }
}

TEST(WireTest, FramingIsNotForTheHandlerToSay) {
  Response response;
  response.headers = {{"content-length", "99"},
                      {"X", "y"},
                      {"Transfer-Encoding", "gzip"},
                      {"CONNECTION", "keep-alive"}};
  EXPECT_EQ(Head(response), "HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 0\r\n\r\n");
}

TEST(WireTest, NoTextForgesAHeader) {
  for (const Header& header :
       {Header{"X", "a\r\nSet-Cookie: b"}, Header{"X", "a\nb"}, Header{"X", std::string("a\0b", 3)},
        Header{"X: y\r\nZ", "a"}, Header{"", "a"}, Header{"X Y", "a"}, Header{"X\xc3\xa4", "a"}}) {
    Response response;
    response.headers = {header};
    std::string out = "before";
    const auto appended = AppendHead(out, response, {});
    ASSERT_FALSE(appended) << header.name;
    EXPECT_EQ(appended.error().code(), Code::kInvalid);
    EXPECT_EQ(out, "before");
    Request request;
    request.headers = {header};
    EXPECT_FALSE(AppendRequest(out, request, "a"));
    EXPECT_EQ(out, "before");
  }
}

TEST(WireTest, RequestsCarryHostLengthAndBody) {
  Request request;
  request.path = "/a";
  request.query = "b=c";
  std::string out;
  ASSERT_TRUE(AppendRequest(out, request, "host:1"));
  EXPECT_EQ(out, "GET /a?b=c HTTP/1.1\r\nHost: host:1\r\n\r\n");

  request.method = "POST";
  request.target = "/t";
  request.headers = {{"Host", "other"}, {"X", "y"}};
  request.body = "{}";
  request.keep_alive = false;
  out.clear();
  ASSERT_TRUE(AppendRequest(out, request, "host:1"));
  EXPECT_EQ(out,
            "POST /t HTTP/1.1\r\nHost: other\r\nX: y\r\nContent-Length: 2\r\nConnection: "
            "close\r\n\r\n{}");
}

TEST(WireTest, AHostThatIsEmptyIsAHostNevertheless) {
  Request request;
  request.headers = {{"host", ""}};
  std::string out;
  ASSERT_TRUE(AppendRequest(out, request, "other"));
  EXPECT_EQ(out, "GET / HTTP/1.1\r\nhost: \r\n\r\n");
}

TEST(WireTest, ARequestLineIsOneLine) {
  std::string out;
  for (const std::string target : {"/a b", "/a\r\nX: y", "/\x7f"}) {
    Request request;
    request.target = target;
    EXPECT_EQ(AppendRequest(out, request, "a").error().code(), Code::kInvalid);
  }
  Request request;
  request.method = "GET /";
  EXPECT_FALSE(AppendRequest(out, request, "a"));
  EXPECT_EQ(out, "");
}

TEST(WireTest, ChunkSizesAreHexadecimal) {
  std::string out;
  AppendChunkSize(out, 255);
  EXPECT_EQ(out, "ff\r\n");
}

}  // namespace
}  // namespace godwit::http
