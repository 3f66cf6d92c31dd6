#include "sites/registry_keys.h"

#include <gtest/gtest.h>

namespace godwit::sites {
namespace {

TEST(RegistryKeysTest, NoNameReachesIntoAnothersPlace) {
  const std::string key = KeyOf("s1", kMembers, "../alive/b");
  EXPECT_EQ(key, "/godwit/s1/members/..%2Falive%2Fb");
  EXPECT_EQ(NameOf(PrefixOf("s1", kMembers), key), "../alive/b");
}

TEST(RegistryKeysTest, AKeyOfAnotherKindHasNoName) {
  EXPECT_EQ(NameOf(PrefixOf("s1", kAlive), KeyOf("s1", kMembers, "a")), std::nullopt);
  EXPECT_EQ(NameOf(PrefixOf("s1", kMembers), "/godwit/s1/members/%zz"), std::nullopt);
}

}  // namespace
}  // namespace godwit::sites
