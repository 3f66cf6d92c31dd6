#include "sites/identity.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>

#include "http/certificate.h"
#include "storage/test_directory.h"

namespace godwit::sites {
namespace {

using ::testing::HasSubstr;

struct IdentityTest : ::testing::Test {
  Identity Made() {
    return MakeSite("node-a", "10.0.0.1:9443", "etcd://127.0.0.1:2379", entropy, clock.Wall())
        .value();
  }
  SystemEntropy entropy;
  SystemClock clock;
  storage::TestDirectory data;
};

TEST_F(IdentityTest, IsKeptAndFoundAgain) {
  const Identity made = Made();
  EXPECT_FALSE(HasSite(data.path()));
  ASSERT_TRUE(StoreIdentity(data.path(), made));
  EXPECT_TRUE(HasSite(data.path()));
  const auto found = LoadIdentity(data.path());
  ASSERT_TRUE(found) << found.error().ToString();
  EXPECT_EQ(found->site, made.site);
  EXPECT_EQ(found->name, "node-a");
  EXPECT_EQ(found->address, "10.0.0.1:9443");
  EXPECT_EQ(found->coordinator, "etcd://127.0.0.1:2379");
  EXPECT_EQ(found->key, made.key);
  EXPECT_EQ(found->ca_key, made.ca_key);
  EXPECT_EQ(found->fingerprint(), made.fingerprint());
  EXPECT_EQ(found->site_key, made.site_key);
}

TEST_F(IdentityTest, IsForItsOwnerAlone) {
  ASSERT_TRUE(StoreIdentity(data.path(), Made()));
  const std::string directory = SiteDirectory(data.path());
  struct stat seen = {};
  ASSERT_EQ(::stat(directory.c_str(), &seen), 0);
  EXPECT_EQ(seen.st_mode & 0777U, 0700U);
  for (const auto& file : std::filesystem::directory_iterator(directory)) {
    ASSERT_EQ(::stat(file.path().c_str(), &seen), 0);
    EXPECT_EQ(seen.st_mode & 0777U, 0600U) << file.path();
  }
}

TEST_F(IdentityTest, ThereIsOneAtATime) {
  ASSERT_TRUE(StoreIdentity(data.path(), Made()));
  EXPECT_EQ(StoreIdentity(data.path(), Made()).error().code(), Code::kConflict);
  ASSERT_TRUE(DropIdentity(data.path()));
  EXPECT_FALSE(HasSite(data.path()));
  EXPECT_EQ(LoadIdentity(data.path()).error().code(), Code::kNotFound);
  EXPECT_TRUE(StoreIdentity(data.path(), Made()));
}

TEST_F(IdentityTest, CertificatesNameNodeAndSite) {
  const Identity made = Made();
  const auto own = http::Certificate::Parse(made.certificate).value();
  EXPECT_EQ(own.name, "node-a");
  EXPECT_EQ(own.organization, made.site);
  EXPECT_EQ(own.issuer, "Godwit site " + made.site);
  EXPECT_TRUE(http::Certificate::Parse(made.ca_certificate)->authority);
  EXPECT_NE(Made().site, made.site);
  const auto public_key = http::PublicKeyOf(http::MakeKey()).value();
  const auto other = CertifyNode(made, "node-b", public_key, clock.Wall());
  EXPECT_EQ(http::Certificate::Parse(other.value())->name, "node-b");
  EXPECT_EQ(CertifyNode(made, "../b", public_key, clock.Wall()).error().code(), Code::kInvalid);
}

TEST_F(IdentityTest, WhatDoesNotBelongTogetherIsRefused) {
  Identity made = Made();
  made.key = Made().key;
  ASSERT_TRUE(StoreIdentity(data.path(), made));
  EXPECT_THAT(LoadIdentity(data.path()).error().ToString(), HasSubstr("not the certificate's"));
  ASSERT_TRUE(DropIdentity(data.path()));
  made = Made();
  made.name = "node-b";
  ASSERT_TRUE(StoreIdentity(data.path(), made));
  EXPECT_THAT(LoadIdentity(data.path()).error().ToString(), HasSubstr("is of 'node-a'"));
}

TEST_F(IdentityTest, AddressesHaveAPort) {
  for (const std::string good : {"10.0.0.1:9443", "node-b.example:1", "[::1]:9443", "h:80"})
    EXPECT_TRUE(CheckAddress(good)) << good;
  for (const std::string bad :
       {"", "10.0.0.1", "h:", ":9443", "h:0", "h:x", "h:99/", "http://h:1", "h:443/", "::1"})
    EXPECT_FALSE(CheckAddress(bad)) << bad;
}

}  // namespace
}  // namespace godwit::sites
