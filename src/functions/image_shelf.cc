#include "functions/image_shelf.h"

#include <algorithm>
#include <utility>

#include "base/fault.h"
#include "base/try.h"

namespace godwit::functions {

namespace asio = boost::asio;

ShelvedImage::~ShelvedImage() { shelf_.LetGo(*this); }

ImageShelf::ImageShelf(Workplace& workplace) : work_(workplace), gate_(workplace.executor) {}

// What is left lies on disk for the next start.
ImageShelf::~ImageShelf() {
  ending_ = true;
  left_.clear();
}

ImageShelf::Held ImageShelf::Find(const storage::BlobId& image) const {
  const auto found = images_.find(image.hex);
  return found == images_.end() ? nullptr : found->second.lock();
}

ImageShelf::Held ImageShelf::Own(const KeptInstance& kept) {
  const auto take = [&](BaseFacts facts) {
    if (Held there = Find(facts.image)) return there;
    auto made = std::make_shared<ShelvedImage>(*this, std::move(facts));
    made->synced_ = kept.synced;
    images_[made->facts().image.hex] = made;
    return made;
  };
  Held image = take({kept.image, kept.facts.image_key, kept.facts.instance, kept.facts.sequence});
  image->dropped_ = false;
  image->synced_ = kept.synced;
  std::vector<Held> bases;  // before the ones it has are let go
  for (const BaseFacts& base : kept.facts.bases) bases.push_back(take(base));
  image->bases_ = std::move(bases);
  return image;
}

asio::awaitable<Result<>> ImageShelf::Sync(Held image) {
  std::vector<Held> wanted;
  for (const Held& base : image->bases_) {
    if (!base->synced_) wanted.push_back(base);
  }
  if (!image->synced_) wanted.push_back(std::move(image));
  for (const Held& one : wanted) {
    GODWIT_CO_TRY(
        co_await Offload(work_.pool, [&] { return work_.blobs.Sync(one->facts().image); }));
    one->synced_ = true;
  }
  co_return Result<>{};
}

void ImageShelf::SyncLater(InstanceId instance, Held image) {
  const auto synced = [](const Held& one) { return one->synced_; };
  if (synced(image) && std::ranges::all_of(image->bases_, synced)) return;
  unsynced_.push_back({std::move(instance), std::move(image)});
  Work();
}

void ImageShelf::Begin() {
  begun_ = true;
  Work();
}

void ImageShelf::Work() {
  if (!begun_) return;
  if (!unneeded_.empty() && !std::exchange(removing_, true))
    removing_ = gate_.Spawn(RemoveAll()) && removing_;
  if (!unsynced_.empty() && !std::exchange(syncing_, true))
    syncing_ = gate_.Spawn(SyncAll()) && syncing_;
}

// One after the other, for a disk does no more at once; those that came back meanwhile need none.
asio::awaitable<void> ImageShelf::SyncAll() {
  co_await asio::this_coro::throw_if_cancelled(false);
  while (!unsynced_.empty()) {
    const Unsynced next = std::move(unsynced_.front());
    unsynced_.pop_front();
    if (next.image->dropped_) continue;
    const Result<> safe = co_await Sync(next.image);
    if (safe) {
      GODWIT_FAULT(kImageSynced);
      work_.journal.Note([instance = next.instance,
                          image = next.image->facts().image](storage::Database& database) {
        return NoteSynced(database, instance, image);
      });
    } else if (!next.image->dropped_) {
      work_.log.Error("{}", safe.error().ToString());
      if (unsafe_) unsafe_(next.instance, next.image->facts().image, safe.error());
    }
  }
  syncing_ = false;
}

void ImageShelf::LetGo(ShelvedImage& image) {
  images_.erase(image.facts().image.hex);
  if (ending_) return;
  if (!image.dropped_) {
    // Its row is on disk, and it is to be found whole by the next start.
    left_.insert(left_.end(), image.bases_.begin(), image.bases_.end());
    return;
  }
  unneeded_.push_back(image.facts().image);
  Work();
}

asio::awaitable<void> ImageShelf::RemoveAll() {
  co_await asio::this_coro::throw_if_cancelled(false);
  while (!unneeded_.empty()) {
    const storage::BlobId image = std::move(unneeded_.front());
    unneeded_.pop_front();
    if (Find(image)) continue;  // somebody needs it again
    GODWIT_FAULT(kImageUnneeded);
    const auto removed = co_await Offload(work_.pool, [&] { return work_.blobs.Remove(image); });
    if (!removed) work_.log.Warning("{}", removed.error().ToString());
  }
  removing_ = false;
}

asio::awaitable<void> ImageShelf::Close() {
  co_await gate_.Drain();
  ending_ = true;
}

}  // namespace godwit::functions
