#include "checkpoint/incoming_image.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/mapped_file.h"
#include "base/try.h"
#include "checkpoint/manifest.h"

namespace godwit::checkpoint {
namespace {

using Kind = ImageEntry::Kind;

// In memory if the directory is a tmpfs, and gone with its descriptor.
Result<Fd> NamelessFile(const std::string& directory) {
  Fd file(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!file) return FailErrno(errno, "cannot make a file in '{}'", directory);
  return file;
}

bool IsOfCriu(const ImageEntry& entry) {
  return entry.kind == Kind::kCriu || entry.kind == Kind::kPages;
}

// The rest of an image, checked: what it says of itself adds up.
struct Rest {
  MappedFile file;
  Manifest manifest;
  std::string_view criu;  // the contents of CRIU's files
  std::string_view sums;
  std::string_view tree;  // what is in /tmp
};

Result<Rest> ReadRest(const Fd& file, uint64_t bytes) {
  Rest rest;
  GODWIT_TRY(rest.file, MappedFile::Of(file, bytes));
  std::string_view left = rest.file.bytes();
  if (left.size() < kManifestHead) return Fail(Code::kCorrupt, "it ends in its head");
  GODWIT_TRY(const uint64_t head, ManifestBytes(left.substr(0, kManifestHead)));
  if (head > left.size()) return Fail(Code::kCorrupt, "it ends in its manifest");
  GODWIT_TRY(rest.manifest, ParseManifest(left.substr(0, head)));
  if (rest.manifest.version != kImageVersion)
    return Fail(Code::kUnsupported, "it is of version {}", rest.manifest.version);
  left.remove_prefix(head);
  uint64_t criu = 0;
  uint64_t sums = 0;
  uint64_t tree = 0;
  uint64_t pages = 0;
  for (const ImageEntry& entry : rest.manifest.entries) {
    if (entry.kind == Kind::kBase) return Fail(Code::kCorrupt, "it refers to another image");
    if (entry.kind == Kind::kPages) {
      pages += entry.pages;
    } else {
      (entry.kind == Kind::kCriu   ? criu
       : entry.kind == Kind::kSums ? sums
                                   : tree) += entry.Stored();
    }
  }
  if (sums != pages * kSumBytes) return Fail(Code::kCorrupt, "not each of its pages has a sum");
  if (criu > left.size() || sums > left.size() - criu || tree != left.size() - criu - sums)
    return Fail(Code::kCorrupt, "it is not as long as its manifest says");
  rest.criu = left.substr(0, criu);
  rest.sums = left.substr(criu, sums);
  rest.tree = left.substr(criu + sums);
  return rest;
}

}  // namespace

Result<std::unique_ptr<IncomingImage>> IncomingImage::Begin(storage::Blobs& blobs,
                                                            const std::string& directory,
                                                            std::vector<ImageBase> library,
                                                            uint64_t most_bytes) {
  std::unique_ptr<IncomingImage> image(new IncomingImage(blobs));
  GODWIT_TRY(image->pages_, NamelessFile(directory));
  GODWIT_TRY(image->rest_, NamelessFile(directory));
  image->library_ = std::move(library);
  image->most_bytes_ = most_bytes;
  image->offered_ = ReadPools(blobs, image->library_);
  for (size_t base = 0; base < image->offered_.pools.size(); ++base) {
    const PagePool& pool = image->offered_.pools[base];
    for (uint32_t page = 0; page < pool.pages; ++page)
      image->known_.try_emplace(SumAt(pool.sums, page), Where{base, page});
  }
  return image;
}

std::string IncomingImage::Wanted(std::string_view sums) {
  const size_t count = sums.size() / kSumBytes;
  std::string bits((count + 7) / 8, '\0');
  for (size_t i = 0; i < count; ++i) {
    if (known_.contains(SumAt(sums, i))) continue;
    bits[i / 8] = static_cast<char>(static_cast<unsigned char>(bits[i / 8]) | (1U << (i % 8)));
  }
  return bits;
}

Result<> IncomingImage::TakePages(std::string_view sums, std::string_view pages) {
  if (pages.size() % kPage != 0 || sums.size() != pages.size() / kPage * kSumBytes)
    return Fail(Code::kCorrupt, "{} bytes of pages came with {} bytes of sums", pages.size(),
                sums.size());
  if (blobs_.SumPieces(pages, kPage) != sums)
    return Fail(Code::kCorrupt, "a page is not what its sum says (is the link sound?)");
  if (taken_bytes() + pages.size() > most_bytes_)
    return Fail(Code::kTooLarge, "the image has more than {} bytes", most_bytes_);
  GODWIT_TRY(WriteAt(pages_.get(), page_bytes_, pages).Within("cannot keep pages on their way"));
  for (size_t i = 0; i < pages.size() / kPage; ++i) {
    known_.try_emplace(SumAt(sums, i),
                       Where{kReceived, static_cast<uint32_t>(page_bytes_ / kPage + i)});
  }
  page_bytes_ += pages.size();
  return {};
}

Result<> IncomingImage::TakeRest(uint64_t offset, std::string_view bytes) {
  // The same piece may come again, after an answer that was lost.
  if (offset > rest_bytes_)
    return Fail(Code::kConflict, "a piece at {} came, where {} bytes are here", offset,
                rest_bytes_);
  if (taken_bytes() + bytes.size() > most_bytes_)
    return Fail(Code::kTooLarge, "the image has more than {} bytes", most_bytes_);
  GODWIT_TRY(WriteAt(rest_.get(), offset, bytes).Within("cannot keep an image on its way"));
  rest_bytes_ = std::max(rest_bytes_, offset + bytes.size());
  return {};
}

Result<std::string> IncomingImage::Facts() {
  GODWIT_TRY(Rest rest, ReadRest(rest_, rest_bytes_).Within("the image that came"));
  return std::move(rest.manifest.facts);
}

// The new image, put together of what lies in the files and in the library.
class IncomingImage::Parts {
 public:
  Parts(IncomingImage& image, Rest rest) : image_(image), rest_(std::move(rest)) {}

  Result<> Plan() {
    std::vector<std::vector<SummedPage>> files;
    for (const ImageEntry& entry : rest_.manifest.entries) {
      if (entry.kind != Kind::kPages) continue;
      auto& pages = files.emplace_back();
      for (const PageRun& run : entry.runs) {
        for (uint32_t i = 0; i < run.pages; ++i) {
          SummedPage page{.zero = run.owner == PageRun::kZeros};
          if (!page.zero) page.sum = SumAt(rest_.sums, run.first + i);
          pages.push_back(page);
        }
      }
    }
    plan_ = PlanPages(files, image_.offered_.pools, image_.offered_.stays);
    return Gather();
  }

  Result<StoredImage> Store(const FactsOfImage& facts, const storage::PutOptions& options) {
    auto& entries = rest_.manifest.entries;
    const auto tree = std::ranges::find_if_not(entries, IsOfCriu);
    std::vector<ImageEntry> files(std::make_move_iterator(tree),
                                  std::make_move_iterator(entries.end()));
    entries.erase(tree, entries.end());
    WritePlan(plan_, image_.offered_, image_.library_, entries);
    for (ImageEntry& entry : files) {
      if (entry.kind != Kind::kSums) entries.push_back(std::move(entry));
    }
    StoredImage stored;
    stored.bases = plan_.bases;
    stored.own_bytes = plan_.sums.size() / kSumBytes * kPage;
    rest_.manifest.facts = facts(stored.bases);
    const std::string head = FormatManifest(rest_.manifest);
    GODWIT_TRY(ParseManifest(head).Within("the image would be unreadable"));
    std::vector<std::string_view> parts = {head, rest_.criu};
    parts.insert(parts.end(), pool_.begin(), pool_.end());
    parts.push_back(plan_.sums);
    parts.push_back(rest_.tree);
    storage::Tail none;
    GODWIT_TRY(stored.id, image_.blobs_.PutUnique(parts, none, options));
    GODWIT_TRY(stored.bytes, image_.blobs_.StoredSize(stored.id));
    return stored;
  }

 private:
  // The pages that are to be written: those that came, and those of images that are not referred
  // to.
  Result<> Gather() {
    GODWIT_TRY(received_, MappedFile::Of(image_.pages_, image_.page_bytes_));
    const size_t count = plan_.sums.size() / kSumBytes;
    copies_.reserve(count);  // views of it stay good
    std::vector<std::unique_ptr<storage::BlobReader>> readers(image_.library_.size());
    for (size_t i = 0; i < count; ++i) {
      const auto found = image_.known_.find(SumAt(plan_.sums, i));
      if (found == image_.known_.end())
        return Fail(Code::kConflict, "not all pages of the image have come");
      const Where& where = found->second;
      if (where.base == kReceived) {
        AddPiece(pool_, received_.bytes().substr(where.page * kPage, kPage));
        continue;
      }
      const PagePool& pool = image_.offered_.pools[where.base];
      const ImageBase& base = image_.library_[image_.offered_.offered[where.base]];
      auto& reader = readers[where.base];
      if (!reader) {
        GODWIT_TRY(reader, image_.blobs_.OpenReader(base.id, base.bond));
      }
      std::string& copy = copies_.emplace_back(kPage, '\0');
      GODWIT_TRY(reader->Read(pool.begin + where.page * kPage, copy));
      AddPiece(pool_, copy);
    }
    return {};
  }

  IncomingImage& image_;
  Rest rest_;
  PagePlan plan_;
  MappedFile received_;
  std::vector<std::string> copies_;
  std::vector<std::string_view> pool_;
};

Result<StoredImage> IncomingImage::Store(const FactsOfImage& facts,
                                         const storage::PutOptions& options) {
  GODWIT_TRY(Rest rest, ReadRest(rest_, rest_bytes_).Within("the image that came"));
  Parts parts(*this, std::move(rest));
  GODWIT_TRY(parts.Plan());
  return parts.Store(facts, options);
}

}  // namespace godwit::checkpoint
