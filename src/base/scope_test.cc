#include "base/scope.h"

#include <gmock/gmock.h>

namespace godwit {
namespace {

TEST(ScopeTest, RunsUnlessReleased) {
  int runs = 0;
  {
    const ScopeExit exit([&] { ++runs; });
  }
  EXPECT_EQ(runs, 1);
  {
    ScopeExit exit([&] { ++runs; });
    exit.Release();
  }
  EXPECT_EQ(runs, 1);
}

}  // namespace
}  // namespace godwit
