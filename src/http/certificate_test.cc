#include "http/certificate.h"

#include <gmock/gmock.h>

namespace godwit::http {
namespace {

using namespace std::chrono_literals;
using std::chrono::sys_seconds;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr sys_seconds kFrom = sys_seconds(std::chrono::seconds(1'700'000'000));

struct CertificateTest : ::testing::Test {
  Certification Wanted(std::string name, std::string_view of_key) const {
    return {.name = std::move(name),
            .organization = "site-1",
            .public_key = PublicKeyOf(of_key).value(),
            .from = kFrom,
            .until = kFrom + 24h};
  }
  std::string Authority() const {
    Certification wanted = Wanted("Our authority", authority_key);
    wanted.authority = true;
    return Certify(wanted, "", authority_key).value();
  }
  std::string authority_key = MakeKey();
  std::string key = MakeKey();
};

TEST_F(CertificateTest, SaysWhatItWasMadeToSay) {
  const auto made = Certify(Wanted("node-a", key), Authority(), authority_key);
  const auto said = Certificate::Parse(made.value()).value();
  EXPECT_EQ(said.name, "node-a");
  EXPECT_EQ(said.organization, "site-1");
  EXPECT_EQ(said.issuer, "Our authority");
  EXPECT_FALSE(said.authority);
  EXPECT_EQ(said.from, kFrom);
  EXPECT_EQ(said.until, kFrom + 24h);
  EXPECT_THAT(said.fingerprint, SizeIs(64));
  EXPECT_EQ(ToText(said.from), "2023-11-14 22:13:20 UTC");
}

TEST_F(CertificateTest, AnAuthorityIsOneAndSignsItself) {
  const auto said = Certificate::Parse(Authority()).value();
  EXPECT_TRUE(said.authority);
  EXPECT_EQ(said.issuer, said.name);
}

TEST_F(CertificateTest, NoTwoAreTheSame) {
  const auto one = Certify(Wanted("node-a", key), Authority(), authority_key);
  const auto other = Certify(Wanted("node-a", key), Authority(), authority_key);
  EXPECT_NE(Certificate::Parse(one.value())->fingerprint,
            Certificate::Parse(other.value())->fingerprint);
  EXPECT_NE(MakeKey(), MakeKey());
}

TEST_F(CertificateTest, OtherTextIsRefusedAndNotRepeated) {
  EXPECT_EQ(Certificate::Parse("").error().code(), Code::kInvalid);
  EXPECT_EQ(Certificate::Parse(key).error().code(), Code::kInvalid);
  EXPECT_EQ(PublicKeyOf("secret").error().ToString(), "it is no private key in PEM");
  Certification wanted = Wanted("node-a", key);
  EXPECT_THAT(Certify(wanted, "nonsense", authority_key).error().ToString(),
              StartsWith("cannot certify 'node-a': the authority's certificate"));
  EXPECT_THAT(Certify(wanted, Authority(), "nonsense").error().ToString(),
              HasSubstr("the authority's key"));
  wanted.name = std::string(65, 'x');
  EXPECT_THAT(Certify(wanted, Authority(), authority_key).error().ToString(),
              HasSubstr("1 to 64 characters"));
  wanted.public_key = "nonsense";
  EXPECT_EQ(Certify(wanted, Authority(), authority_key).error().code(), Code::kInvalid);
}

TEST_F(CertificateTest, AKeyOfAnotherKindIsRefused) {
  Certification wanted = Wanted("node-a", key);
  wanted.public_key =  // of X25519, which does not sign: the base point
      "-----BEGIN PUBLIC KEY-----\n"
      "MCowBQYDK2VuAyEACQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
      "-----END PUBLIC KEY-----\n";
  EXPECT_EQ(Certify(wanted, Authority(), authority_key).error().code(), Code::kUnsupported);
}

}  // namespace
}  // namespace godwit::http
