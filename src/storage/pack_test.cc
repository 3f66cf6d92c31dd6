#include "storage/pack.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace godwit::storage {
namespace {

std::string Noise(size_t size) {
  std::mt19937_64 random(size);
  std::string noise(size, '\0');
  for (auto& c : noise) c = static_cast<char>(random());
  return noise;
}

TEST(PackTest, WhatIsPackedUnpacks) {
  std::string text = Noise(5000);
  for (int i = 0; i < 100; ++i) text += "a page of memory that says the same all over again; ";
  text.append(8192, '\0');
  Packer packer;
  for (const Packing packing : {Packing::kFast, Packing::kSmall}) {
    std::string packed(text.size(), '\0');
    const size_t size = packer.Pack(packing, text, packed);
    ASSERT_GT(size, 0u);
    EXPECT_LT(size, text.size() / 2);
    packed.resize(size);
    std::string back(text.size(), '\0');
    ASSERT_TRUE(packer.Unpack(packed, back).has_value());
    EXPECT_EQ(back, text);
    std::string longer(text.size() + 1, '\0');
    EXPECT_EQ(packer.Unpack(packed, longer).error().code(), Code::kCorrupt);
    std::string shorter(text.size() - 1, '\0');
    EXPECT_EQ(packer.Unpack(packed, shorter).error().code(), Code::kCorrupt);
  }
  std::string back(10, '\0');
  EXPECT_EQ(packer.Unpack("not packed", back).error().code(), Code::kCorrupt);
}

TEST(PackTest, WhatWouldNotGetSmallerIsLeft) {
  Packer packer;
  const std::string noise = Noise(100'000);
  std::string packed(noise.size(), '\0');
  EXPECT_EQ(packer.Pack(Packing::kFast, noise, packed), 0u);
  EXPECT_EQ(packer.Pack(Packing::kSmall, noise, packed), 0u);
  EXPECT_EQ(packer.Pack(Packing::kNone, std::string(1000, 'a'), packed), 0u);
  EXPECT_EQ(packer.Pack(Packing::kFast, "", packed), 0u);
  EXPECT_EQ(packer.Pack(Packing::kFast, "a", packed), 0u);
}

}  // namespace
}  // namespace godwit::storage
