#include "http/message.h"

#include <gmock/gmock.h>

namespace godwit::http {
namespace {

using ::testing::Eq;
using ::testing::Optional;

TEST(MessageTest, HeadersAreFoundWithoutCaseAndTheFirstWins) {
  Request request;
  request.headers = {{"X-Amz-Log-Type", "Tail"}, {"x-amz-log-type", "None"}};
  EXPECT_EQ(request.Get("x-amz-LOG-type"), "Tail");
  EXPECT_EQ(request.Get("x-amz-log"), "");
}

TEST(MessageTest, ParametersAreDecodedOneByOne) {
  Request request;
  request.query = "Qualifier=%24LATEST&a=b%26c&flag&empty=&%41=x&bad=%zz&plus=a+b&a=second";
  EXPECT_THAT(request.Param("Qualifier"), Optional(Eq("$LATEST")));
  EXPECT_THAT(request.Param("a"), Optional(Eq("b&c")));
  EXPECT_THAT(request.Param("flag"), Optional(Eq("")));
  EXPECT_THAT(request.Param("empty"), Optional(Eq("")));
  EXPECT_THAT(request.Param("A"), Optional(Eq("x")));
  EXPECT_THAT(request.Param("plus"), Optional(Eq("a+b")));
  EXPECT_EQ(request.Param("bad"), std::nullopt);
  EXPECT_EQ(request.Param("missing"), std::nullopt);
  EXPECT_EQ(request.Param(""), std::nullopt);
}

TEST(MessageTest, HelpersNameTheirType) {
  EXPECT_EQ(Text(404, "no").Get("content-type"), "text/plain; charset=utf-8");
  const Response json = Json(201, "{}");
  EXPECT_EQ(json.status, 201);
  EXPECT_EQ(json.body, "{}");
  EXPECT_EQ(json.Get("content-type"), "application/json");
}

}  // namespace
}  // namespace godwit::http
