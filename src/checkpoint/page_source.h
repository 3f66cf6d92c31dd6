#pragma once

// Where the content of pages comes from that are not in memory yet.
//
// Threads: any, at once (the pager's). Failure: kCorrupt for content that is not what was put
// away; whoever asked must not go on without it.
#include <cstdint>
#include <memory>
#include <span>

#include "base/error.h"
#include "base/fd.h"
#include "checkpoint/page_runs.h"  // kPage

namespace godwit::checkpoint {

class PageSource {
 public:
  PageSource() = default;
  PageSource(const PageSource&) = delete;
  PageSource& operator=(const PageSource&) = delete;
  PageSource(PageSource&&) = default;
  virtual ~PageSource() = default;

  // Fills `into`, whole pages, with what lies at `offset`.
  virtual Result<> Read(uint64_t offset, std::span<char> into) = 0;
  // How many bytes to take when one page is wanted: its neighbours are often wanted next.
  virtual uint64_t Step() const { return 4 * kPage; }
};

// A plain file, of which more is taken at once, for it is cheap; kCorrupt beyond its end.
std::shared_ptr<PageSource> FileSource(Fd file);

}  // namespace godwit::checkpoint
