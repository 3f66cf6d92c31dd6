#include "sites/etcd_codec.h"

#include <gmock/gmock.h>

namespace godwit::sites::etcd {
namespace {

using testing::HasSubstr;

TEST(EtcdCodecTest, RequestsAreAsTheGatewayHasThem) {
  EXPECT_EQ(RangeRequest("foo", "fop", 10, 3),
            R"({"key":"Zm9v","range_end":"Zm9w","limit":"10","revision":"3"})");
  EXPECT_EQ(TxnRequest({{.key = "foo", .revision = 0}},
                       {{.key = "foo", .value = "bar", .lease = LeaseId{7}}, {.key = "x"}}),
            R"({"compare":[{"key":"Zm9v","result":"EQUAL","target":"MOD","mod_revision":"0"}],)"
            R"("success":[{"request_put":{"key":"Zm9v","value":"YmFy","lease":"7"}},)"
            R"({"request_delete_range":{"key":"eA=="}}]})");
}

TEST(EtcdCodecTest, ARangeIsReadAndWhatIsLeftOutHasItsDefault) {
  const auto range = ReadRange(
      R"({"header":{"revision":"9007199254740993"},"kvs":[{"key":"YQ==","mod_revision":"2"},)"
      R"({"key":"Yg==","mod_revision":"9007199254740993","value":"dg=="}],"more":true})");
  ASSERT_TRUE(range) << range.error().ToString();
  EXPECT_EQ(range->revision, 9007199254740993);
  EXPECT_TRUE(range->more);
  EXPECT_EQ(range->entries.at(0), (Entry{"a", "", 2}));
  EXPECT_EQ(range->entries.at(1), (Entry{"b", "v", 9007199254740993}));
}

TEST(EtcdCodecTest, WhatIsNoAnswerOfEtcdIsRefused) {
  for (
      const char* body :
      {"", "[]", "{}", "null", "{\"header\":7}", "{\"header\":{\"revision\":3}}",
       R"({"header":{},"kvs":{}})", R"({"header":{},"kvs":[7]})",
       R"({"header":{},"kvs":[{"key":"YQ=="}]})", R"({"header":{},"kvs":[{"mod_revision":"1"}]})",
       R"({"header":{},"kvs":[{"key":"Y","mod_revision":"1"}]})",
       R"({"header":{},"kvs":[{"key":"YQ==","mod_revision":"-1"}]})",
       R"({"header":{},"kvs":[{"key":"YQ==","mod_revision":"1x"}]})",
       R"({"header":{},"kvs":[{"key":"YQ==","mod_revision":"99999999999999999999"}]})",
       R"({"header":{},"kvs":[{"key":"Yg==","mod_revision":"1"},{"key":"YQ==","mod_revision":"1"}]})",
       R"({"header":{},"more":"true"})"}) {
    const auto range = ReadRange(body);
    ASSERT_FALSE(range) << body;
    EXPECT_EQ(range.error().code(), Code::kCorrupt) << body;
  }
  EXPECT_FALSE(ReadTxn(R"({"header":{},"succeeded":1})"));
  EXPECT_FALSE(ReadGrant(R"({"header":{},"TTL":"5"})"));
  EXPECT_FALSE(ReadToken(R"({"header":{},"token":"a\r\nX-Y: z"})"));
  EXPECT_FALSE(ReadRange(std::string(100'000, '[')));
}

TEST(EtcdCodecTest, AWatchTellsEventsAndItsEnd) {
  const auto told = ReadWatched(
      R"({"result":{"header":{},"events":[{"kv":{"key":"YQ==","mod_revision":"3","value":"dg=="}},)"
      R"({"type":"DELETE","kv":{"key":"YQ==","mod_revision":"4"}}],"fragment":true}})");
  ASSERT_TRUE(told) << told.error().ToString();
  EXPECT_TRUE(told->fragment);
  EXPECT_EQ(told->events.at(0).value, "v");
  EXPECT_EQ(told->events.at(1).value, std::nullopt);
  const auto compacted =
      ReadWatched(R"({"result":{"header":{},"canceled":true,"compact_revision":"3"}})");
  EXPECT_EQ(compacted.value().compacted, 3);
  EXPECT_FALSE(ReadWatched(R"({"result":{"header":{},"events":[{"type":"PUT"}]}})"));
  EXPECT_FALSE(ReadWatched(
      R"({"result":{"header":{},"events":[{"type":"X","kv":{"key":"YQ==","mod_revision":"3"}}]}})"));
  EXPECT_EQ(ReadWatched(R"({"error":{"message":"going away"}})").error().code(),
            Code::kUnavailable);
}

TEST(EtcdCodecTest, ARefusalIsReadHoweverItIsWritten) {
  const auto refusal = ReadRefusal(404, R"({"error":"etcdserver: no such\nlease","code":5})");
  EXPECT_EQ(refusal.code, 5);
  EXPECT_EQ(refusal.text, "etcdserver: no such lease");
  EXPECT_EQ(ReadRefusal(502, "<html>").text, "status 502");
  EXPECT_EQ(ReadRefusal(500, R"({"code":-5})").code, 2);
  const auto ended = ReadReason("rpc error: code = Unauthenticated desc = invalid auth token");
  EXPECT_EQ(ended.code, 16);
  EXPECT_EQ(ended.text, "invalid auth token");
  EXPECT_EQ(ReadReason("etcdserver: no leader").code, 14);
  EXPECT_THAT(ReadReason("desc = code = x").text, HasSubstr("desc"));
}

}  // namespace
}  // namespace godwit::sites::etcd
