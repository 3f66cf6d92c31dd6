#include "functions/template_cache.h"

#include <fcntl.h>

#include <filesystem>

#include "base/fault.h"
#include "base/scope.h"
#include "base/try.h"
#include "checkpoint/clone.h"
#include "functions/image_bond.h"

namespace godwit::functions {

namespace fs = std::filesystem;

namespace {

uint64_t BytesIn(const std::string& directory) {
  uint64_t bytes = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error))
    bytes += entry.file_size(error);
  return bytes;
}

// What the image says of itself has to be what the store says of it, or it is another one.
Result<> Check(const Template& source, const Result<checkpoint::FetchedImage>& image) {
  if (!image) return std::unexpected(image.error());
  if (GODWIT_FAULT_FAILS(kTemplateBroken) || image->facts != source.facts_text) {
    return Fail(Code::kCorrupt, "the image '{}' is not that of the template of '{}'",
                source.image.hex, source.function());
  }
  return {};
}

}  // namespace

TemplateCache::Shared TemplateCache::Find(const storage::BlobId& image) {
  const std::lock_guard guard(mutex_);
  Shared& entry = entries_[image.hex];
  if (!entry) entry = std::make_shared<Entry>();
  entry->used = ++clock_;
  return entry;
}

Result<checkpoint::FetchedImage> TemplateCache::Place(const Template& source,
                                                      const checkpoint::ImagePlaces& places,
                                                      uint32_t uid, bool late) {
  const Shared entry = Find(source.image);
  {
    const std::lock_guard guard(entry->busy);
    if (!entry->tried) GODWIT_TRY(Unpack(source, *entry));
    if (entry->whole) {
      GODWIT_TRY(checkpoint::CopyForClone(Place(source.image) + "/criu", places.criu,
                                          source.facts.uid, uid));
      checkpoint::FetchedImage image;
      image.facts = source.facts_text;
      if (!late) return image;
      GODWIT_TRY(image.late, checkpoint::FindLateMemory(places.criu));
      if (!image.late) return image;
      GODWIT_TRY(Fd pages, Open(places.criu + "/" + image.late->pages, O_RDONLY));
      image.source = checkpoint::FileSource(std::move(pages));
      return image;
    }
  }
  auto image =
      checkpoint::FetchImage(blobs_, source.image, places, uid, BondOf(source.facts), late);
  GODWIT_TRY(Check(source, image));
  GODWIT_TRY(checkpoint::GiveTo(places.criu, source.facts.uid, uid));
  return image;
}

Result<> TemplateCache::Warm(const Template& source) {
  const Shared entry = Find(source.image);
  const std::lock_guard guard(entry->busy);
  return entry->tried ? Result<>{} : Unpack(source, *entry);
}

void TemplateCache::Learn(const storage::BlobId& image, std::span<const uint64_t> working_set) {
  const Shared entry = Find(image);
  const std::lock_guard guard(entry->busy);
  if (!entry->whole || entry->learnt) return;
  entry->learnt = checkpoint::WriteWorkingSet(Place(image) + "/criu", working_set).has_value();
}

// Its lock is held.
Result<> TemplateCache::Unpack(const Template& source, Entry& entry) {
  const std::string place = Place(source.image);
  std::error_code error;
  fs::remove_all(place, error);
  ScopeExit undo([&] { fs::remove_all(place, error); });
  GODWIT_TRY(const uint64_t packed, blobs_.Size(source.image));
  if (packed > budget_) {
    entry.tried = true;
    return {};
  }
  fs::create_directories(place + "/criu", error);
  fs::create_directories(place + "/tmp", error);
  GODWIT_TRY(
      Check(source, checkpoint::FetchImage(blobs_, source.image, {place + "/criu", place + "/tmp"},
                                           source.facts.uid, BondOf(source.facts), false)));
  entry.tried = true;
  if (!fs::is_empty(place + "/tmp", error)) return {};
  entry.bytes = BytesIn(place + "/criu");
  entry.whole = true;
  entry.learnt = false;
  undo.Release();
  Evict(entry);
  return {};
}

// The least lately used go until the rest fits. One that is in use at this moment stays.
void TemplateCache::Evict(const Entry& keep) {
  const std::lock_guard guard(mutex_);
  while (true) {
    uint64_t bytes = 0;
    const std::string* oldest = nullptr;
    for (const auto& [image, entry] : entries_) {
      if (entry.get() == &keep) {
        bytes += entry->bytes;
        continue;
      }
      const std::unique_lock busy(entry->busy, std::try_to_lock);
      if (!busy || !entry->whole) continue;
      bytes += entry->bytes;
      if (oldest == nullptr || entry->used < entries_.at(*oldest)->used) oldest = &image;
    }
    if (bytes <= budget_ || oldest == nullptr) return;
    const Shared& entry = entries_.at(*oldest);
    const std::unique_lock busy(entry->busy, std::try_to_lock);
    if (!busy) return;
    std::error_code error;
    fs::remove_all(directory_ + "/" + *oldest, error);
    entry->tried = entry->whole = false;
    entry->bytes = 0;
  }
}

void TemplateCache::Drop(const storage::BlobId& image) {
  Shared entry;
  {
    const std::lock_guard guard(mutex_);
    const auto found = entries_.find(image.hex);
    if (found == entries_.end()) return;
    entry = std::move(found->second);
    entries_.erase(found);
  }
  const std::lock_guard busy(entry->busy);
  std::error_code error;
  fs::remove_all(Place(image), error);
  entry->tried = true;  // whoever waits for it finds the image, or not
  entry->whole = false;
  entry->bytes = 0;
}

uint64_t TemplateCache::bytes() const {
  const std::lock_guard guard(mutex_);
  uint64_t bytes = 0;
  for (const auto& [image, entry] : entries_) bytes += entry->bytes;
  return bytes;
}

}  // namespace godwit::functions
