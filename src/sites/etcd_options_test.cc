#include "sites/etcd_options.h"

#include <gmock/gmock.h>

namespace godwit::sites {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

TEST(EtcdOptionsTest, EndpointsUserAndPasswordAreRead) {
  const auto options = EtcdOptions::Parse("etcd://me:p%40s%3As@10.0.0.1:2379,[::1]:2380,etcd-c:1");
  ASSERT_TRUE(options) << options.error().ToString();
  EXPECT_THAT(options->endpoints,
              ElementsAre("http://10.0.0.1:2379", "http://[::1]:2380", "http://etcd-c:1"));
  EXPECT_EQ(options->user, "me");
  EXPECT_EQ(options->password, "p@s:s");
  EXPECT_EQ(EtcdOptions::Parse("etcd://h:1").value().user, "");
  EXPECT_THAT(EtcdOptions::Parse("etcds://h:1,i:2").value().endpoints,
              ElementsAre("https://h:1", "https://i:2"));
}

TEST(EtcdOptionsTest, OtherTextIsRefusedAndNoPasswordIsShown) {
  for (const char* url :
       {"", "http://h:1", "etcd://", "etcd://h", "etcd://h:1,", "etcd://h:x", "etcd://:secret@h:1",
        "etcd://u:%zz@h:1", "etcd://[::1]", "etcd://h:1/a"}) {
    const auto options = EtcdOptions::Parse(url);
    ASSERT_FALSE(options) << url;
    EXPECT_EQ(options.error().code(), Code::kInvalid) << url;
  }
  EXPECT_THAT(EtcdOptions::Parse("etcd://me:secret@h").error().reason(), Not(HasSubstr("secret")));
}

}  // namespace
}  // namespace godwit::sites
