#include "checkpoint/image_pages.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <utility>

#include "base/try.h"

namespace godwit::checkpoint {
namespace {

constexpr uint64_t kSmall = 16 << 20;  // bytes of pages that stay open
constexpr uint64_t kGap = 64 << 10;    // bytes that are rather read than skipped

// Some of a blob's content, and where it goes in the file.
struct Piece {
  uint64_t from = 0;
  uint64_t bytes = 0;
  uint64_t to = 0;
};

uint64_t PlaceOf(const PageOwner& owner, const PageRun& run) {
  return owner.begin + run.first * kPage;
}

// What lies in the extents, by owner; zeros are there already.
std::vector<std::vector<Piece>> PiecesOf(std::span<const PageOwner> owners,
                                         std::span<const PageRun> runs,
                                         std::span<const Extent> extents) {
  std::vector<std::vector<Piece>> pieces(owners.size());
  uint64_t at = 0;
  auto extent = extents.begin();
  for (const PageRun& run : runs) {
    const uint64_t end = at + run.pages * kPage;
    while (extent != extents.end() && extent->at + extent->bytes <= at) ++extent;
    for (auto here = extent; here != extents.end() && here->at < end; ++here) {
      const uint64_t from = std::max(at, here->at);
      const uint64_t to = std::min(end, here->at + here->bytes);
      if (run.owner == PageRun::kZeros || from >= to) continue;
      pieces[run.owner].push_back({PlaceOf(owners[run.owner], run) + (from - at), to - from, from});
    }
    at = end;
  }
  return pieces;
}

Result<> Scatter(storage::Blobs& blobs, const PageOwner& owner, std::vector<Piece> pieces,
                 const Fd& file) {
  std::ranges::sort(pieces, {}, &Piece::from);
  for (size_t first = 0; first < pieces.size();) {
    uint64_t end = pieces[first].from + pieces[first].bytes;
    size_t last = first + 1;
    for (; last < pieces.size() && pieces[last].from <= end + kGap; ++last)
      end = std::max(end, pieces[last].from + pieces[last].bytes);
    uint64_t at = pieces[first].from;
    size_t next = first;  // whatever is before it lies before `at`
    const auto put = [&](std::string_view bytes) -> Result<> {
      const uint64_t stop = at + bytes.size();
      while (next < last && pieces[next].from + pieces[next].bytes <= at) ++next;
      for (size_t i = next; i < last && pieces[i].from < stop; ++i) {
        const uint64_t from = std::max(at, pieces[i].from);
        const uint64_t to = std::min(stop, pieces[i].from + pieces[i].bytes);
        if (from >= to) continue;
        GODWIT_TRY(WriteAt(file.get(), pieces[i].to + (from - pieces[i].from),
                           bytes.substr(from - at, to - from)));
      }
      at = stop;
      return {};
    };
    GODWIT_TRY(blobs.Stream(owner.id, put, owner.bond, {at, end}));
    if (at != end)
      return Fail(Code::kCorrupt, "the image '{}' has not all of its pages", owner.id.hex);
    first = last;
  }
  return {};
}

// Chunk by chunk, by places in the content.
class BlobPages final : public PageSource {
 public:
  explicit BlobPages(std::unique_ptr<storage::BlobReader> reader) : reader_(std::move(reader)) {}
  Result<> Read(uint64_t offset, std::span<char> into) override {
    return reader_->Read(offset, into);
  }

 private:
  std::unique_ptr<storage::BlobReader> reader_;
};

// The same of a small part, which stays open: each piece of it once, by whoever wants it first.
// Pages that lie side by side in memory may be anywhere in there.
class OpenedPages final : public PageSource {
 public:
  OpenedPages(std::unique_ptr<storage::BlobReader> reader, storage::BlobRange range)
      : reader_(std::move(reader)),
        range_(range),
        first_(range.from / kPiece),
        bytes_(std::make_unique_for_overwrite<char[]>(range.to - range.from)),
        pieces_((range.to + kPiece - 1) / kPiece - first_) {}

  Result<> Read(uint64_t offset, std::span<char> into) override {
    if (offset < range_.from || into.size() > range_.to - range_.from ||
        offset > range_.to - into.size())
      return Fail(Code::kCorrupt, "the image has no page there");
    const uint64_t last = (offset + into.size() - 1) / kPiece - first_;
    for (uint64_t piece = offset / kPiece - first_; piece <= last; ++piece)
      GODWIT_TRY(OpenPiece(piece));
    std::copy_n(bytes_.get() + (offset - range_.from), into.size(), into.begin());
    return {};
  }

 private:
  static constexpr uint64_t kPiece = storage::kLeastBlobChunk;
  struct Piece {
    std::mutex busy;
    bool open = false;  // guarded by `busy`
  };

  Result<> OpenPiece(uint64_t number) {
    Piece& piece = pieces_[number];
    const std::lock_guard lock(piece.busy);
    if (piece.open) return {};
    const uint64_t from = std::max(range_.from, (first_ + number) * kPiece);
    const uint64_t to = std::min(range_.to, (first_ + number + 1) * kPiece);
    GODWIT_TRY(reader_->Read(from, {bytes_.get() + (from - range_.from), to - from}));
    piece.open = true;
    return {};
  }

  std::unique_ptr<storage::BlobReader> reader_;
  const storage::BlobRange range_;
  const uint64_t first_;
  std::unique_ptr<char[]> bytes_;
  std::vector<Piece> pieces_;
};

class PagesOfAll final : public PageSource {
 public:
  PagesOfAll(std::span<const PageOwner> owners, std::span<const PageRun> runs,
             std::vector<std::shared_ptr<PageSource>> sources)
      : sources_(std::move(sources)) {
    for (const PageRun& run : runs) {
      const bool zeros = run.owner == PageRun::kZeros;
      runs_.push_back({end_, zeros ? 0 : PlaceOf(owners[run.owner], run), run.owner});
      end_ += run.pages * kPage;
    }
  }

  Result<> Read(uint64_t offset, std::span<char> into) override {
    if (into.size() > end_ || offset > end_ - into.size())
      return Fail(Code::kCorrupt, "the image has {} bytes of pages only", end_);
    auto run = std::ranges::upper_bound(runs_, offset, {}, &Run::at) - 1;
    for (; !into.empty(); ++run) {
      const uint64_t end = run + 1 == runs_.end() ? end_ : (run + 1)->at;
      const std::span<char> part = into.first(std::min<uint64_t>(into.size(), end - offset));
      if (run->owner == PageRun::kZeros) {
        std::ranges::fill(part, '\0');
      } else {
        GODWIT_TRY(sources_[run->owner]->Read(run->place + (offset - run->at), part));
      }
      offset += part.size();
      into = into.subspan(part.size());
    }
    return {};
  }

 private:
  struct Run {
    uint64_t at = 0;     // in the file
    uint64_t place = 0;  // in the content of its owner's blob
    uint8_t owner = 0;
  };
  std::vector<Run> runs_;
  uint64_t end_ = 0;
  std::vector<std::shared_ptr<PageSource>> sources_;  // by owner
};

// How much of an owner's pool is referred to, and between which places.
struct Use {
  uint64_t from = UINT64_MAX;
  uint64_t to = 0;
  uint64_t bytes = 0;
};

std::vector<Use> UseOf(std::span<const PageOwner> owners, std::span<const PageRun> runs) {
  std::vector<Use> uses(owners.size());
  for (const PageRun& run : runs) {
    if (run.owner == PageRun::kZeros) continue;
    Use& use = uses[run.owner];
    const uint64_t place = PlaceOf(owners[run.owner], run);
    use.from = std::min(use.from, place);
    use.to = std::max(use.to, place + run.pages * kPage);
    use.bytes += run.pages * kPage;
  }
  return uses;
}

}  // namespace

Result<> PutPages(storage::Blobs& blobs, std::span<const PageOwner> owners,
                  std::span<const PageRun> runs, std::span<const Extent> extents, const Fd& file) {
  auto pieces = PiecesOf(owners, runs, extents);
  for (size_t i = 0; i < owners.size(); ++i)
    GODWIT_TRY(Scatter(blobs, owners[i], std::move(pieces[i]), file));
  return {};
}

Result<std::shared_ptr<PageSource>> OpenLatePages(storage::Blobs& blobs,
                                                  std::span<const PageOwner> owners,
                                                  std::span<const PageRun> runs) {
  std::vector<std::shared_ptr<PageSource>> sources;
  uint64_t room = kSmall;
  const std::vector<Use> uses = UseOf(owners, runs);
  for (size_t i = 0; i < owners.size(); ++i) {
    auto& source = sources.emplace_back();
    const Use& use = uses[i];
    if (use.bytes == 0) continue;
    GODWIT_TRY(auto reader, blobs.OpenReader(owners[i].id, owners[i].bond));
    if (use.to > reader->size())
      return Fail(Code::kCorrupt, "the image '{}' has not all of its pages", owners[i].id.hex);
    const uint64_t span = use.to - use.from;
    if (span <= room && use.bytes >= span / 2) {
      room -= span;
      source =
          std::make_shared<OpenedPages>(std::move(reader), storage::BlobRange{use.from, use.to});
    } else {
      source = std::make_shared<BlobPages>(std::move(reader));
    }
  }
  return std::make_shared<PagesOfAll>(owners, runs, std::move(sources));
}

}  // namespace godwit::checkpoint
