#pragma once

// The images that lie in the blobs, each for as long as anybody needs its pages (docs/adr/0014).
//
// Whoever needs an image holds it: the instance or template whose it is, each image that refers to
// it, an instance that goes on from it, a suspension that writes on top of it. It goes from the
// disk when its row is gone (Drop()) and nobody holds it any more. What a row on disk names stays:
// an image that is let go without Drop() keeps all that it refers to until the next start, which
// counts anew from the rows and sweeps what none of them names. So the order is always: write the
// image, then its row; remove the row, then Drop(). It also makes images durable behind the back of
// whoever was told that they are kept.
//
// Threads: the loop. Lifetime: outlives all who hold; co_await Close() before it is destroyed.
// Failure: what cannot be removed is logged, and left to the next start; what cannot be synced is
// told to OnUnsafe().
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/gate.h"
#include "functions/codec.h"
#include "functions/schema.h"
#include "functions/workplace.h"

namespace godwit::functions {

class ImageShelf;

class ShelvedImage {
 public:
  using Held = std::shared_ptr<ShelvedImage>;

  ShelvedImage(ImageShelf& shelf, BaseFacts facts) : shelf_(shelf), facts_(std::move(facts)) {}
  ~ShelvedImage();
  ShelvedImage(const ShelvedImage&) = delete;
  ShelvedImage& operator=(const ShelvedImage&) = delete;

  const BaseFacts& facts() const { return facts_; }
  const std::vector<Held>& bases() const { return bases_; }
  // No row has it for its own image any more.
  void Drop() { dropped_ = true; }
  // It is a base alone from now on: nobody brings it back as a whole, or asks what it refers to.
  void LeaveBases() { bases_.clear(); }

 private:
  friend class ImageShelf;
  ImageShelf& shelf_;
  const BaseFacts facts_;
  std::vector<Held> bases_;
  bool dropped_ = true;  // until somebody owns it
  bool synced_ = true;
};

class ImageShelf {
 public:
  using Held = ShelvedImage::Held;
  using Unsafe = std::function<void(const InstanceId&, const storage::BlobId&, const Error&)>;

  explicit ImageShelf(Workplace& workplace);
  ~ImageShelf();
  ImageShelf(const ImageShelf&) = delete;
  ImageShelf& operator=(const ImageShelf&) = delete;

  // The image of a row, or of one that is about to be written, and all that it refers to.
  Held Own(const KeptInstance& kept);
  // Only if it is held already.
  Held Find(const storage::BlobId& image) const;
  // Makes it and its bases safe from a power cut.
  boost::asio::awaitable<Result<>> Sync(Held image);
  // The same some time soon, if it is not yet, after which the row of `instance` says so.
  void SyncLater(InstanceId instance, Held image);
  // Who is told of an image that cannot be made safe.
  void OnUnsafe(Unsafe unsafe) { unsafe_ = std::move(unsafe); }

  // All that a start needs is held: what is not goes from now on, and what is not synced will be.
  void Begin();
  // Waits until all is synced and removed. Nobody adds anything any more.
  boost::asio::awaitable<void> Close();

 private:
  friend class ShelvedImage;
  struct Unsynced {
    InstanceId instance;
    Held image;
  };

  void LetGo(ShelvedImage& image);
  void Work();
  boost::asio::awaitable<void> RemoveAll();
  boost::asio::awaitable<void> SyncAll();

  Workplace& work_;
  Unsafe unsafe_;
  std::map<std::string, std::weak_ptr<ShelvedImage>> images_;  // by blob
  std::vector<Held> left_;  // what images on disk refer to that nobody holds any more
  std::deque<storage::BlobId> unneeded_;
  std::deque<Unsynced> unsynced_;
  bool begun_ = false;
  bool removing_ = false;
  bool syncing_ = false;
  bool ending_ = false;
  Gate gate_;
};

}  // namespace godwit::functions
