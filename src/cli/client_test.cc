#include "cli/client.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "base/code_name.h"
#include "cli/json_text.h"

namespace godwit::cli {
namespace {

TEST(ClientTest, EveryCodeKeepsItsExitCodeOverTheWire) {
  const auto over_the_wire = [](Code code) {
    const std::string body =
        fmt::format(R"({{"error":{{"code":"{}","message":"m"}}}})", NameOf(code));
    return ErrorOf(http::Json(HttpStatus(code), body)).code();
  };
#define X(name, text, http_status, exit)                       \
  if (Code::name != Code::kUnavailable) { /* nobody answers */ \
    EXPECT_EQ(over_the_wire(Code::name), Code::name);          \
  }
  GODWIT_CODES(X)
#undef X
  EXPECT_EQ(NameOf(Code::kNoSpace), "no_space");
  EXPECT_EQ(CodeNamed("no space"), std::nullopt);
}

TEST(ClientTest, AnAnswerThatIsNoGodwits) {
  NodeClient node("http://h:1", [](std::string_view, http::Request) -> Result<http::Response> {
    return http::Text(200, "<html>It works!</html>");
  });
  const auto answer = node.Get("/godwit/v1/instances");
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().code(), Code::kUnavailable);
  EXPECT_EQ(answer.error().ToString(),
            "'http://h:1' does not answer as a Godwit node does (name one with --endpoint)");
}

TEST(ClientTest, Endpoints) {
  EXPECT_EQ(*ReadEndpoint("127.0.0.1:9000"), "http://127.0.0.1:9000");
  EXPECT_EQ(*ReadEndpoint("http://[::1]:9000/"), "http://[::1]:9000");
  EXPECT_EQ(*ReadEndpoint("unix:/run/g.sock"), "unix:/run/g.sock");
  EXPECT_EQ(ReadEndpoint("https://h").error().code(), Code::kUnsupported);
  EXPECT_EQ(ReadEndpoint("http://h/path").error().code(), Code::kInvalid);
}

TEST(JsonTextTest, RawTextIsPassedThrough) {
  EXPECT_EQ(WithRaw({{"a", 1}}, "b", "[1.0, 2]"), R"({"a":1,"b":[1.0, 2]})");
  EXPECT_EQ(WithRaw({}, "b", "no \"json\""), R"({"b":"no \"json\""})");
  const std::string deep = std::string(1000, '[') + std::string(1000, ']');
  EXPECT_EQ(WithRaw({}, "b", deep), "{\"b\":" + deep + "}") << "deep nesting is still JSON";
}

TEST(ClientTest, WhoeverAnsweredIsThere) {
  const auto code = [](int status, std::string body) {
    return ErrorOf(http::Text(status, std::move(body))).code();
  };
  EXPECT_EQ(code(503, R"({"error":{"code":"unavailable","message":"'f' does not start"}})"),
            Code::kInternal);
  EXPECT_EQ(code(503, R"({"Type":"Service","Message":"the node is shutting down"})"),
            Code::kClosing);
  EXPECT_EQ(code(503, "the server is shutting down\n"), Code::kClosing);
  EXPECT_EQ(code(503, "too many connections (try again later)\n"), Code::kBusy);
  EXPECT_EQ(ErrorOf(http::Text(503, "too many connections (try again later)\n")).ToString(),
            "too many connections (try again later)");
}

}  // namespace
}  // namespace godwit::cli
