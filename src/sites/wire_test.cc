#include "sites/wire.h"

#include <gmock/gmock.h>

#include <cstring>

#include "checkpoint/page_runs.h"
#include "functions/luggage.h"

namespace godwit::sites {
namespace {

using testing::HasSubstr;

const InstanceId kInstance{"i-0123456789"};
const RequestId kCall{"6f1c2a90-0d3e-4b5a-9b1e-2f60c1d7a411"};

TEST(WireTest, AnOfferArrivesAsItWasSent) {
  Offer offer;
  offer.kind = Offer::Kind::kReplica;
  offer.arrival.instance = kInstance;
  offer.arrival.function.spec.name = "greeter";
  offer.arrival.zip = std::string("PK\0\x01", 4);
  offer.arrival.most_bytes = 1 << 20;
  offer.epoch = 7;
  offer.passport = "machine x86_64\n";
  const auto read = OfferFromBody(OfferToBody(offer));
  ASSERT_TRUE(read) << read.error().ToString();
  EXPECT_EQ(read->kind, Offer::Kind::kReplica);
  EXPECT_EQ(read->arrival.instance, kInstance);
  EXPECT_EQ(read->arrival.function.spec.name, "greeter");
  EXPECT_EQ(read->arrival.zip, offer.arrival.zip);
  EXPECT_EQ(read->arrival.most_bytes, 1U << 20);
  EXPECT_EQ(read->epoch, 7);
  EXPECT_EQ(read->passport, offer.passport);
}

TEST(WireTest, WhatIsNoOfferIsRefused) {
  Offer offer;
  offer.arrival.instance = kInstance;
  offer.epoch = 1;
  const std::string good = OfferToBody(offer);
  for (size_t cut = 0; cut < good.size(); cut += 7)
    EXPECT_FALSE(OfferFromBody(std::string_view(good).substr(0, cut))) << cut;
  offer.epoch = 0;
  EXPECT_THAT(OfferFromBody(OfferToBody(offer)).error().ToString(), HasSubstr("impossible"));
  offer.epoch = 1;
  offer.arrival.instance = {"../../etc"};
  EXPECT_THAT(OfferFromBody(OfferToBody(offer)).error().ToString(), HasSubstr("no instance"));
  std::string newer = good;
  newer.replace(newer.find("\"version\":1"), 11, "\"version\":9");
  EXPECT_EQ(OfferFromBody(newer).error().code(), Code::kUnsupported);
}

TEST(WireTest, PagesArriveAsTheyWereSentPackedOrNot) {
  storage::Packer packer;
  std::string plain(2 * checkpoint::kPage, 'a');
  for (size_t i = 0; i < plain.size(); i += 3) plain[i] = static_cast<char>(i * 2654435761U >> 7);
  const std::string sums(2 * checkpoint::kSumBytes, 's');
  const std::string even(2 * checkpoint::kPage, 'e');
  for (const std::string& pages : {plain, even}) {
    for (const auto packing : {storage::Packing::kNone, storage::Packing::kFast}) {
      const std::string body = PagesToBody(sums, pages, packing, packer);
      const auto read = PagesFromBody(body, packer);
      ASSERT_TRUE(read) << read.error().ToString();
      EXPECT_EQ(read->sums, sums);
      EXPECT_EQ(read->pages, pages);
      EXPECT_FALSE(PagesFromBody(std::string_view(body).substr(0, body.size() - 1), packer));
    }
  }
  EXPECT_LT(PagesToBody(sums, even, storage::Packing::kFast, packer).size(), 1000U);
  EXPECT_FALSE(PagesFromBody("", packer));
  EXPECT_FALSE(PagesFromBody(std::string(8, '\xff'), packer));
}

TEST(WireTest, AResultArrivesAsItWasSent) {
  functions::ForeignResult result;
  result.instance = kInstance;
  result.outcome.id = kCall;
  result.outcome.payload = "\"\xc3\xa4\"";
  result.outcome.function_error = "Unhandled";
  result.attempt = 2;
  const auto read = ResultFromBody(ResultToBody(result, 5, true));
  ASSERT_TRUE(read) << read.error().ToString();
  EXPECT_EQ(read->result.outcome.id, kCall);
  EXPECT_EQ(read->result.outcome.payload, result.outcome.payload);
  EXPECT_EQ(read->result.outcome.function_error, "Unhandled");
  EXPECT_EQ(read->result.attempt, 2);
  EXPECT_EQ(read->epoch, 5);
  EXPECT_TRUE(read->lost);
  EXPECT_FALSE(ResultFromBody("{}"));
  EXPECT_FALSE(ResultFromBody("[1]"));
}

TEST(WireTest, AnErrorComesOutAsItWentIn) {
  const auto said = BodyOf("node-b", Refusal({Code::kNoSpace, "there is no room"}));
  ASSERT_FALSE(said);
  EXPECT_EQ(said.error().code(), Code::kNoSpace);
  EXPECT_THAT(said.error().ToString(), HasSubstr("'node-b' says: there is no room"));
  EXPECT_FALSE(BodyOf("node-b", http::Text(502, "<html>")));
  EXPECT_EQ(*BodyOf("node-b", http::Text(200, "fine")), "fine");
}

TEST(LuggageTest, ArrivesAsItWasPacked) {
  functions::Luggage luggage;
  luggage.facts.instance = kInstance;
  luggage.facts.sequence = 3;
  luggage.facts.epoch = 4;
  luggage.facts.call.emplace();
  luggage.facts.call->id = kCall;
  luggage.facts.call->home = "node-a";
  luggage.age = std::chrono::hours(3);
  luggage.callbacks = {{2, {kCall, "{\"a\":1}", "key"}, WallTime{std::chrono::seconds(9)}}};
  luggage.ran = true;
  const auto read = functions::LuggageFromJson(functions::LuggageToJson(luggage));
  ASSERT_TRUE(read) << read.error().ToString();
  EXPECT_EQ(read->facts.instance, kInstance);
  EXPECT_EQ(read->facts.epoch, 4);
  EXPECT_EQ(read->facts.call->home, "node-a");
  EXPECT_EQ(read->age, std::chrono::hours(3));
  ASSERT_EQ(read->callbacks.size(), 1U);
  EXPECT_EQ(read->callbacks[0].number, 2U);
  EXPECT_EQ(read->callbacks[0].callback.payload, "{\"a\":1}");
  EXPECT_EQ(read->callbacks[0].callback.key, "key");
  EXPECT_TRUE(read->ran);
  EXPECT_FALSE(functions::LuggageFromJson("{\"version\":1}"));
  EXPECT_EQ(functions::LuggageFromJson("{\"version\":2}").error().code(), Code::kUnsupported);
}

}  // namespace
}  // namespace godwit::sites
