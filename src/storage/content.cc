#include "storage/content.h"

#include <algorithm>

namespace godwit::storage {

Content::Content(std::span<const std::string_view> pieces) : pieces_(pieces) {
  ends_.reserve(pieces.size());
  for (const auto piece : pieces) ends_.push_back(size() + piece.size());
}

std::string_view Content::At(uint64_t at, size_t length, std::string& scratch) const {
  if (length == 0) return {};
  auto index = static_cast<size_t>(std::ranges::upper_bound(ends_, at) - ends_.begin());
  const std::string_view first = pieces_[index].substr(at - (ends_[index] - pieces_[index].size()));
  if (first.size() >= length) return first.substr(0, length);
  scratch.assign(first);
  while (scratch.size() < length) {
    scratch += pieces_[++index].substr(0, length - scratch.size());
  }
  return scratch;
}

}  // namespace godwit::storage
