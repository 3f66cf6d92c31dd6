#include "base/try.h"

#include <gmock/gmock.h>

namespace godwit {
namespace {

struct Image {
  std::string hash;
  size_t bytes;
};

Result<Image> OpenImage(std::string_view hash, size_t have) {
  if (have < 9120) {
    return Fail(Code::kCorrupt, "image '{0}' has {1} of 9120 bytes (run `godwit image check {0}`)",
                hash, have);
  }
  return Image{std::string(hash), have};
}

Result<> CheckPositive(int n) {
  if (n < 0) return Fail(Code::kInvalid, "'{}' is negative", n);
  return {};
}

Result<size_t> Resume(std::string_view id, size_t have, int n = 1) {
  GODWIT_TRY(CheckPositive(n));
  GODWIT_TRY(const Image image, OpenImage("9f2c", have).Within("cannot resume '{}'", id));
  return image.bytes;
}

TEST(TryTest, PassesTheValueOn) { EXPECT_EQ(*Resume("i-7", 9120), 9120u); }

TEST(TryTest, PassesTheErrorOnWithItsContext) {
  EXPECT_EQ(
      Resume("i-7", 4096).error().ToString(),
      "cannot resume 'i-7': image '9f2c' has 4096 of 9120 bytes (run `godwit image check 9f2c`)");
  EXPECT_EQ(Resume("i-7", 9120, -1).error().code(), Code::kInvalid);
}

TEST(TryTest, EveryCodeHasATextAStatusAndAnExitCode) {
  EXPECT_EQ(ToString(Code::kBusy), "busy");
  EXPECT_EQ(HttpStatus(Code::kBusy), 429);
  EXPECT_EQ(ExitCode(Code::kBusy), 9);
  EXPECT_EQ(FailErrno(28, "cannot write '{}'", "x").error().code(), Code::kNoSpace);
}

}  // namespace
}  // namespace godwit
