#include "base/ids.h"

#include <gmock/gmock.h>

namespace godwit {
namespace {

TEST(IdsTest, NewNamesParseAndDiffer) {
  SystemEntropy entropy;
  const InstanceId instance = InstanceId::New(entropy);
  EXPECT_EQ(InstanceId::Parse(instance.text), instance);
  EXPECT_NE(InstanceId::New(entropy), instance);
  const RequestId request = RequestId::New(entropy);
  EXPECT_EQ(RequestId::Parse(request.text), request);
  EXPECT_EQ(request.text[14], '4');
}

TEST(IdsTest, WhatIsNoNameIsRefused) {
  for (const char* text :
       {"", "i-", "i-../../etc", "i-3F9A0C51B2", "i-3f9a0c51b2x", "j-3f9a0c51b2"}) {
    EXPECT_EQ(InstanceId::Parse(text), std::nullopt) << text;
  }
  for (const char* text :
       {"", "8476a536-e9f4-11e8-9739-2dfe598c3fc", "8476a536-e9f4-11e8-9739-2dfe598c3fcG",
        "8476a536.e9f4-11e8-9739-2dfe598c3fcd"}) {
    EXPECT_EQ(RequestId::Parse(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace godwit
