#include "checkpoint/outgoing_image.h"

#include <algorithm>
#include <utility>

#include "base/try.h"

namespace godwit::checkpoint {
namespace {

using Kind = ImageEntry::Kind;

constexpr uint32_t kNotNeeded = UINT32_MAX;

}  // namespace

Result<std::unique_ptr<OutgoingImage>> OutgoingImage::Open(storage::Blobs& blobs,
                                                           const storage::BlobId& id,
                                                           std::string_view bond,
                                                           std::span<const ImageBase> bases) {
  std::unique_ptr<OutgoingImage> image(new OutgoingImage);
  const auto add = [&](const ImageBase& one) -> Result<> {
    GODWIT_TRY(auto blob, blobs.OpenReader(one.id, one.bond));
    GODWIT_TRY(PagePool pool, ReadPool(blobs, one));
    std::vector<uint32_t> numbers(pool.pages, kNotNeeded);
    image->owners_.push_back({std::move(blob), std::move(pool), std::move(numbers)});
    return {};
  };
  GODWIT_TRY(add({id, std::string(bond)}));
  GODWIT_TRY(PlacedManifest whole, ReadManifest(*image->owners_.front().blob));
  for (const ImageEntry& entry : whole.manifest.entries) {
    if (entry.kind != Kind::kBase) continue;
    const auto base =
        std::ranges::find_if(bases, [&](const ImageBase& one) { return one.id.hex == entry.name; });
    if (base == bases.end())
      return Fail(Code::kCorrupt, "the image '{}' refers to the image '{}', its row does not",
                  id.hex, entry.name);
    GODWIT_TRY(add(*base));
  }
  GODWIT_TRY(image->Number(whole.manifest).Within("the image '{}'", id.hex));
  image->Rewrite(std::move(whole));
  return image;
}

// Gives each page that is referred to its number in the row, in the order of the files.
Result<> OutgoingImage::Number(Manifest& manifest) {
  for (ImageEntry& entry : manifest.entries) {
    if (entry.kind != Kind::kPages) continue;
    const size_t before = places_.size();
    std::vector<PageRun> runs;
    for (const PageRun& run : entry.runs) {
      if (run.owner == PageRun::kZeros) {
        runs.push_back(run);
        continue;
      }
      if (run.owner >= owners_.size() ||
          uint64_t{run.first} + run.pages > owners_[run.owner].pool.pages)
        return Fail(Code::kCorrupt, "refers to pages that are not there");
      Owner& owner = owners_[run.owner];
      for (uint32_t page = run.first; page < run.first + run.pages; ++page) {
        uint32_t& number = owner.numbers[page];
        if (number == kNotNeeded) {
          number = static_cast<uint32_t>(places_.size());
          places_.push_back({run.owner, owner.pool.begin + page * kPage});
          sums_.append(owner.pool.sums, page * kSumBytes, kSumBytes);
        }
        AppendPage(runs, PageRun::kOwn, number);
      }
    }
    entry.runs = std::move(runs);
    entry.pages = static_cast<uint32_t>(places_.size() - before);
  }
  return {};
}

void OutgoingImage::Rewrite(PlacedManifest image) {
  Manifest flat;
  flat.facts = std::move(image.manifest.facts);
  bool sums_seen = false;
  for (size_t i = 0; i < image.manifest.entries.size(); ++i) {
    ImageEntry& entry = image.manifest.entries[i];
    if (entry.kind == Kind::kBase) continue;
    if (entry.kind == Kind::kSums) {
      entry.bytes = sums_.size();
      before_sums_ = stretches_.size();
      sums_seen = true;
    } else if (entry.kind != Kind::kPages && entry.Stored() > 0) {
      const uint64_t at = image.places[i];
      if (!stretches_.empty() && stretches_.back().from + stretches_.back().bytes == at &&
          before_sums_ != stretches_.size()) {
        stretches_.back().bytes += entry.Stored();
      } else {
        stretches_.push_back({at, entry.Stored()});
      }
      rest_bytes_ += entry.Stored();
    }
    flat.entries.push_back(std::move(entry));
  }
  if (!sums_seen) before_sums_ = stretches_.size();
  head_ = FormatManifest(flat);
  rest_bytes_ += head_.size() + sums_.size();
}

Result<> OutgoingImage::ReadPages(std::span<const uint32_t> numbers, std::span<char> into) {
  for (size_t i = 0; i < numbers.size();) {
    if (numbers[i] >= places_.size()) return Fail(Code::kInvalid, "no page {}", numbers[i]);
    const Place first = places_[numbers[i]];
    size_t count = 1;
    for (; i + count < numbers.size() && numbers[i + count] < places_.size(); ++count) {
      const Place& next = places_[numbers[i + count]];
      if (next.owner != first.owner || next.at != first.at + count * kPage) break;
    }
    GODWIT_TRY(owners_[first.owner].blob->Read(first.at, into.subspan(i * kPage, count * kPage)));
    i += count;
  }
  return {};
}

Result<> OutgoingImage::ReadRest(uint64_t offset, std::span<char> into) {
  if (into.size() > rest_bytes_ || offset > rest_bytes_ - into.size())
    return Fail(Code::kInvalid, "the image has {} bytes beside its pages", rest_bytes_);
  uint64_t at = 0;  // where the next part begins
  // Takes what lies within a part of this size: `read` gets its place in the part.
  const auto part = [&](uint64_t bytes, auto read) -> Result<> {
    const uint64_t from = std::max(at, offset);
    const uint64_t to = std::min(at + bytes, offset + into.size());
    if (from < to) GODWIT_TRY(read(from - at, into.subspan(from - offset, to - from)));
    at += bytes;
    return {};
  };
  const auto text = [&](const std::string& bytes) {
    return part(bytes.size(), [&](uint64_t from, std::span<char> to) -> Result<> {
      std::copy_n(bytes.data() + from, to.size(), to.data());
      return {};
    });
  };
  GODWIT_TRY(text(head_));
  for (size_t i = 0; i <= stretches_.size(); ++i) {
    if (i == before_sums_) GODWIT_TRY(text(sums_));
    if (i == stretches_.size()) break;
    GODWIT_TRY(part(stretches_[i].bytes, [&](uint64_t from, std::span<char> to) {
      return owners_.front().blob->Read(stretches_[i].from + from, to);
    }));
  }
  return {};
}

}  // namespace godwit::checkpoint
