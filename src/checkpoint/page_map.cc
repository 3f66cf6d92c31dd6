#include "checkpoint/page_map.h"

#include <algorithm>

namespace godwit::checkpoint {

void PageMap::Add(const PageRange& range) {
  if (range.bytes == 0) return;
  Remove(range.address, range.bytes);
  bytes_ += range.bytes;
  auto next = pieces_.upper_bound(range.address);
  if (next != pieces_.begin()) {
    auto& [address, piece] = *std::prev(next);
    if (address + piece.bytes == range.address && piece.offset + piece.bytes == range.offset) {
      piece.bytes += range.bytes;
      return;
    }
  }
  pieces_.emplace_hint(next, range.address, Piece{range.bytes, range.offset});
}

std::optional<PageRange> PageMap::At(uint64_t address, uint64_t limit) const {
  const auto next = pieces_.upper_bound(address);
  if (next == pieces_.begin()) return std::nullopt;
  const auto& [start, piece] = *std::prev(next);
  const uint64_t skip = address - start;
  if (skip >= piece.bytes) return std::nullopt;
  return PageRange{address, std::min(piece.bytes - skip, limit), piece.offset + skip};
}

std::optional<PageRange> PageMap::From(uint64_t address, uint64_t limit) const {
  if (auto here = At(address, limit)) return here;
  auto next = pieces_.lower_bound(address);
  if (next == pieces_.end()) next = pieces_.begin();
  if (next == pieces_.end()) return std::nullopt;
  return At(next->first, limit);
}

void PageMap::Remove(uint64_t address, uint64_t bytes) {
  const uint64_t end = address + bytes;
  auto at = pieces_.upper_bound(address);
  if (at != pieces_.begin()) --at;
  while (at != pieces_.end() && at->first < end) {
    const uint64_t start = at->first;
    const Piece piece = at->second;
    const uint64_t stop = start + piece.bytes;
    if (stop <= address) {
      ++at;
      continue;
    }
    at = pieces_.erase(at);
    bytes_ -= std::min(stop, end) - std::max(start, address);
    if (start < address) pieces_.emplace(start, Piece{address - start, piece.offset});
    if (stop > end) {
      pieces_.emplace(end, Piece{stop - end, piece.offset + (end - start)});
      break;
    }
  }
}

void PageMap::Move(uint64_t from, uint64_t to, uint64_t bytes) {
  std::vector<PageRange> moved;
  for (uint64_t at = from; at < from + bytes;) {
    if (const auto here = At(at, from + bytes - at)) {
      moved.push_back(*here);
      at += here->bytes;
      continue;
    }
    const auto next = pieces_.lower_bound(at);
    if (next == pieces_.end()) break;
    at = next->first;
  }
  Remove(from, bytes);
  Remove(to, bytes);
  for (PageRange range : moved) {
    range.address = range.address - from + to;
    Add(range);
  }
}

std::vector<PageRange> PageMap::All() const {
  std::vector<PageRange> ranges;
  for (const auto& [address, piece] : pieces_)
    ranges.push_back({address, piece.bytes, piece.offset});
  return ranges;
}

}  // namespace godwit::checkpoint
