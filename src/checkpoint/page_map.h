#pragma once

// Which pages of an address space are still to come, and where their content lies.
//
// Pieces never overlap; a piece is a run of pages whose content lies in one run, too. What is in no
// piece has come, or has no content. Addresses, offsets and sizes are multiples of kPage. Threads:
// one at a time. Failure: none.
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace godwit::checkpoint {

struct PageRange {
  uint64_t address = 0;
  uint64_t bytes = 0;
  uint64_t offset = 0;  // in the source
  bool operator==(const PageRange&) const = default;
};

class PageMap {
 public:
  PageMap() = default;
  explicit PageMap(const std::vector<PageRange>& ranges) {
    for (const PageRange& range : ranges) Add(range);
  }

  bool empty() const { return pieces_.empty(); }
  uint64_t bytes() const { return bytes_; }
  // In place of what was there.
  void Add(const PageRange& range);
  // What lies at `address`, at most `limit` bytes of it; none if nothing is to come there.
  std::optional<PageRange> At(uint64_t address, uint64_t limit) const;
  // The first piece at `address` or behind it, else the first of all.
  std::optional<PageRange> From(uint64_t address, uint64_t limit) const;
  // It has come, or is not wanted any more.
  void Remove(uint64_t address, uint64_t bytes);
  // mremap(2): what was to come at `from` is to come at `to`, and nothing else is to come there.
  void Move(uint64_t from, uint64_t to, uint64_t bytes);
  std::vector<PageRange> All() const;

 private:
  struct Piece {
    uint64_t bytes;
    uint64_t offset;
  };
  std::map<uint64_t, Piece> pieces_;  // by address
  uint64_t bytes_ = 0;
};

}  // namespace godwit::checkpoint
