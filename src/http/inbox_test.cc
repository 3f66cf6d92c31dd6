#include "http/inbox.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <string>

namespace godwit::http {
namespace {

void Put(Inbox& inbox, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto room = inbox.Room();
    const size_t count = std::min(room.size(), bytes.size());
    std::copy_n(bytes.data(), count, room.data());
    inbox.Came(count);
    bytes.remove_prefix(count);
  }
}

TEST(InboxTest, BytesComeOutAsTheyWentInWhateverIsUsedBetween) {
  Inbox inbox;
  EXPECT_TRUE(inbox.empty());
  std::string said;
  std::string used;
  for (size_t i = 0; i < 3000; ++i) {
    const std::string some(1 + i % 97, static_cast<char>('a' + i % 26));
    Put(inbox, some);
    said += some;
    const size_t count = std::min(inbox.bytes().size(), i % 89);
    used += inbox.bytes().substr(0, count);
    inbox.Used(count);
  }
  EXPECT_EQ(used + std::string(inbox.bytes()), said);
}

}  // namespace
}  // namespace godwit::http
