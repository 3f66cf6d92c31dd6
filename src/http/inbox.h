#pragma once

// Bytes that have come and are not used yet: one flat piece of memory, kept from message to
// message.
//
// Threads: one at a time. Failure: none.
#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

namespace godwit::http {

class Inbox {
 public:
  bool empty() const { return begin_ == end_; }
  std::string_view bytes() const { return {memory_.get() + begin_, end_ - begin_}; }
  // Forgets the first `count` bytes; views into bytes() end here.
  void Used(size_t count);
  // Where the next bytes go, never empty; views into bytes() end here. Then say how many came.
  std::span<char> Room();
  void Came(size_t count) { end_ += count; }

 private:
  std::unique_ptr<char[]> memory_;
  size_t size_ = 0;
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace godwit::http
