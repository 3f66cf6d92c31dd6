#include "storage/seal.h"

#include <gmock/gmock.h>
#include <sodium.h>

#include <string>

namespace godwit::storage {
namespace {

constexpr Digest kKey = {1, 2, 3, 4, 5};
constexpr std::string_view kPlain = "a function is a living thing";
constexpr std::string_view kBound = "chunk 7";

std::string Closed(Cipher cipher, uint64_t number) {
  std::string sealed(kPlain.size() + Seal::kTagBytes, '\0');
  Seal(cipher, kKey).Close(number, kBound, kPlain, sealed.data());
  return sealed;
}

const unsigned char* Raw(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

TEST(SealTest, BothCiphersAreWhatLibsodiumMakesOfThem) {
  ASSERT_GE(sodium_init(), 0) << "it looks at the processor then";
  const unsigned char nonce[12] = {0x01, 0x02};
  std::string expected(kPlain.size() + Seal::kTagBytes, '\0');
  auto* const into = reinterpret_cast<unsigned char*>(expected.data());
  crypto_aead_chacha20poly1305_ietf_encrypt(into, nullptr, Raw(kPlain), kPlain.size(), Raw(kBound),
                                            kBound.size(), nullptr, nonce, kKey.data());
  EXPECT_EQ(Closed(Cipher::kChaCha20Poly1305, 0x0201), expected);
  if (crypto_aead_aes256gcm_is_available() == 0) GTEST_SKIP() << "no AES instructions to compare";
  crypto_aead_aes256gcm_encrypt(into, nullptr, Raw(kPlain), kPlain.size(), Raw(kBound),
                                kBound.size(), nullptr, nonce, kKey.data());
  EXPECT_EQ(Closed(Cipher::kAes256Gcm, 0x0201), expected);
}

class BothCiphersTest : public testing::TestWithParam<Cipher> {};

TEST_P(BothCiphersTest, OpensOnlyWhatWasSealedSo) {
  const std::string sealed = Closed(GetParam(), 7);
  std::string plain(kPlain.size(), '\0');
  Seal seal(GetParam(), kKey);
  ASSERT_TRUE(seal.Open(7, kBound, sealed, plain.data()).has_value());
  EXPECT_EQ(plain, kPlain);
  EXPECT_EQ(seal.Open(8, kBound, sealed, plain.data()).error().code(), Code::kCorrupt);
  EXPECT_EQ(seal.Open(7, "chunk 8", sealed, plain.data()).error().code(), Code::kCorrupt);
  EXPECT_EQ(seal.Open(7, kBound, "short", plain.data()).error().code(), Code::kCorrupt);
  EXPECT_FALSE(Seal(GetParam(), Digest{}).Open(7, kBound, sealed, plain.data()).has_value());
  for (size_t i = 0; i < sealed.size(); ++i) {
    std::string changed = sealed;
    changed[i] = static_cast<char>(changed[i] ^ 0x10);
    EXPECT_FALSE(seal.Open(7, kBound, changed, plain.data()).has_value()) << "byte " << i;
  }
  EXPECT_TRUE(seal.Open(7, kBound, sealed, plain.data()).has_value()) << "it goes on after errors";
}

TEST_P(BothCiphersTest, WorksInPlaceAndOnNothing) {
  Seal seal(GetParam(), kKey);
  std::string text(kPlain);
  text.resize(kPlain.size() + Seal::kTagBytes);
  seal.Close(0, "", {text.data(), kPlain.size()}, text.data());
  EXPECT_THAT(text, testing::Not(testing::HasSubstr("living")));
  ASSERT_TRUE(seal.Open(0, "", text, text.data()).has_value());
  EXPECT_EQ(text.substr(0, kPlain.size()), kPlain);
  std::string nothing(Seal::kTagBytes, '\0');
  seal.Close(1, kBound, "", nothing.data());
  EXPECT_TRUE(seal.Open(1, kBound, nothing, nothing.data()).has_value());
  EXPECT_FALSE(seal.Open(2, kBound, nothing, nothing.data()).has_value());
}

INSTANTIATE_TEST_SUITE_P(Ciphers, BothCiphersTest,
                         testing::Values(Cipher::kAes256Gcm, Cipher::kChaCha20Poly1305));

}  // namespace
}  // namespace godwit::storage
