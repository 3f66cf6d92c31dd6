#include "network/address.h"

#include <gtest/gtest.h>

namespace godwit::network {
namespace {

TEST(Address, IsReadAndWritten) {
  EXPECT_EQ(ParseAddress("10.249.0.7").value().ToString(), "10.249.0.7");
  EXPECT_FALSE(ParseAddress("10.249.0"));
  EXPECT_FALSE(ParseAddress("::1"));
  EXPECT_FALSE(ParseAddress(""));
}

TEST(Range, IsReadAndHoldsItsAddresses) {
  const Range range = ParseRange("10.249.16.0/20").value();
  EXPECT_EQ(range.ToString(), "10.249.16.0/20");
  EXPECT_EQ(range.size(), 4096u);
  EXPECT_TRUE(range.Holds(ParseAddress("10.249.31.255").value()));
  EXPECT_FALSE(range.Holds(ParseAddress("10.249.32.0").value()));
  EXPECT_FALSE(range.Holds(ParseAddress("10.249.15.255").value()));
}

TEST(Range, RefusesWhatIsNone) {
  for (const auto* text : {"", "10.249.0.0", "10.249.0.0/", "10.249.0.0/x", "10.249.0.0/16x",
                           "10.249.0.1/16", "10.0.0.0/7", "10.0.0.0/29", "10.0.0.0/-1", "/16"}) {
    const auto range = ParseRange(text);
    ASSERT_FALSE(range) << text;
    EXPECT_EQ(range.error().code(), Code::kInvalid);
  }
}

TEST(Leases, GiveEachAddressOnceAndAnUsedOneLast) {
  Leases leases(ParseRange("10.0.0.0/28").value());
  std::set<Address> given;
  for (int i = 0; i < 14; ++i) given.insert(leases.Take().value());
  EXPECT_EQ(given.size(), 14u);
  EXPECT_EQ(given.begin()->ToString(), "10.0.0.1");
  EXPECT_EQ(given.rbegin()->ToString(), "10.0.0.14");
  const auto none = leases.Take();
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), Code::kBusy);
  leases.GiveBack(ParseAddress("10.0.0.9").value());
  EXPECT_EQ(leases.Take().value().ToString(), "10.0.0.9");
}

TEST(Leases, OneThatIsReservedIsNotGiven) {
  Leases leases(ParseRange("10.0.0.0/28").value());
  leases.Reserve(ParseAddress("10.0.0.1").value());
  leases.Reserve(ParseAddress("10.9.0.1").value());  // of the range that the node had before
  EXPECT_EQ(leases.Take().value().ToString(), "10.0.0.2");
}

}  // namespace
}  // namespace godwit::network
