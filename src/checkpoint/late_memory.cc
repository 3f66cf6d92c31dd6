#include "checkpoint/late_memory.h"

#include <fcntl.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/fd.h"
#include "base/try.h"
#include "checkpoint/core_image.h"
#include "checkpoint/image_file.h"
#include "checkpoint/page_source.h"

namespace godwit::checkpoint {
namespace {

// Pagemap::flags
constexpr uint32_t kInParent = 1;
constexpr uint32_t kLate = 2;
constexpr uint32_t kPresent = 4;
constexpr uint64_t kMostPages = uint64_t{1} << 40;
constexpr const char* kWorkingSet = "working-set.img";
static_assert(std::endian::native == std::endian::little, "the working set is written as it is");

void Append(std::vector<Extent>& extents, uint64_t at, uint64_t bytes) {
  if (!extents.empty() && extents.back().at + extents.back().bytes == at) {
    extents.back().bytes += bytes;
  } else {
    extents.push_back({at, bytes});
  }
}

// Empty without a file, or with one that cannot be: it is for speed alone.
std::vector<uint64_t> ReadWorkingSet(const std::string& images) {
  const Result<Fd> file = Open(images + "/" + kWorkingSet, O_RDONLY);
  if (!file) return {};
  const Result<std::string> bytes = ReadAll(file->get(), kMostFirst * sizeof(uint64_t));
  if (!bytes || bytes->size() % sizeof(uint64_t) != 0) return {};
  std::vector<uint64_t> pages(bytes->size() / sizeof(uint64_t));
  std::memcpy(pages.data(), bytes->data(), bytes->size());
  for (uint64_t& page : pages) page &= ~(kPage - 1);
  return pages;
}

}  // namespace

bool HoldsPages(std::string_view name) {
  return name.starts_with("pages-") && name.ends_with(".img");
}

Result<std::optional<LateMemory>> FindLateMemory(const std::string& images) {
  GODWIT_TRY(const std::vector<image::Pstree> tree, ReadTree(images));
  if (tree.size() != 1) return std::nullopt;
  const std::string path = fmt::format("{}/pagemap-{}.img", images, tree.front().pid());
  GODWIT_TRY(const ImageFile file, ReadImageFile(path));
  if (file.entries.empty()) return std::nullopt;
  GODWIT_TRY(const auto head, ParseEntry<image::PagemapHead>(path, file.entries.front()));
  LateMemory memory;
  memory.pages = fmt::format("pages-{}.img", head.pages_id());
  uint64_t offset = 0;
  for (size_t i = 1; i < file.entries.size(); ++i) {
    GODWIT_TRY(const auto entry, ParseEntry<image::Pagemap>(path, file.entries[i]));
    if ((entry.flags() & kInParent) != 0 || entry.in_parent()) return std::nullopt;
    const uint64_t count = entry.has_nr_pages() ? entry.nr_pages() : entry.compat_nr_pages();
    if (count > kMostPages || entry.vaddr() % kPage != 0)
      return Fail(Code::kCorrupt, "'{}' holds a run of pages that cannot be", path);
    if ((entry.flags() & kPresent) == 0) continue;
    if ((entry.flags() & kLate) != 0) {
      memory.late.push_back({entry.vaddr(), count * kPage, offset});
      memory.bytes += count * kPage;
    } else {
      Append(memory.needed, offset, count * kPage);
    }
    offset += count * kPage;
  }
  if (memory.bytes == 0) return std::nullopt;
  memory.first = ReadWorkingSet(images);
  return memory;
}

Result<> WriteWorkingSet(const std::string& images, std::span<const uint64_t> pages) {
  const auto bytes = std::as_bytes(pages.first(std::min(pages.size(), kMostFirst)));
  const std::string path = images + "/" + kWorkingSet;
  GODWIT_TRY(const Fd file, Open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600));
  return WriteAll(file.get(), {reinterpret_cast<const char*>(bytes.data()), bytes.size()})
      .Within("cannot write '{}'", path);
}

}  // namespace godwit::checkpoint
