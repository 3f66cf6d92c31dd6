#include "http/inbox.h"

#include <algorithm>
#include <utility>

namespace godwit::http {
namespace {

// Nearly every request fits; growing in small steps costs three times the processor.
constexpr size_t kFirstSize = size_t{8} << 10;

}  // namespace

void Inbox::Used(size_t count) {
  begin_ += count;
  if (begin_ == end_) begin_ = end_ = 0;
}

std::span<char> Inbox::Room() {
  if (end_ == size_ && begin_ > 0) {
    std::copy(memory_.get() + begin_, memory_.get() + end_, memory_.get());
    end_ -= std::exchange(begin_, 0);
  }
  if (end_ == size_) {
    const size_t size = std::max(kFirstSize, size_ * 2);
    auto memory = std::make_unique_for_overwrite<char[]>(size);
    std::copy(memory_.get(), memory_.get() + end_, memory.get());
    memory_ = std::move(memory);
    size_ = size;
  }
  return {memory_.get() + end_, size_ - end_};
}

}  // namespace godwit::http
