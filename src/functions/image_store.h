#pragma once

// Container images: how their tars come in, and the root file systems in which sandboxes find them.
//
// A tar comes piece by piece (Begin, Add), so that none is held in memory, is unpacked by Import(),
// and is gone then. The image is there for whoever deploys it within kPatience, and stays while a
// function or an instance has it. Threads: the loop (its work goes to the pool). Lifetime: outlives
// its coroutines. Failure: kNotFound for an upload that is not there (or was left alone for
// kPatience), kConflict for a piece out of order, kBusy for too many uploads, kTooLarge, kInvalid,
// kCorrupt and kUnsupported for what is wrong with the tar, with a text for the user; kNoSpace.
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <map>
#include <string>

#include "base/error.h"
#include "base/turns.h"
#include "functions/code_store.h"
#include "functions/workplace.h"
#include "images/image_file.h"

namespace godwit::functions {

// As admin/ knows it.
class ImageUploads {
 public:
  static constexpr size_t kMaxPiece = size_t{8} << 20;     // bytes
  static constexpr uint64_t kMaxTar = uint64_t{10} << 30;  // bytes

  ImageUploads() = default;
  ImageUploads(const ImageUploads&) = delete;
  ImageUploads& operator=(const ImageUploads&) = delete;
  virtual ~ImageUploads() = default;

  // A new upload's name.
  virtual Result<std::string> Begin() = 0;
  // Adds a piece, which begins at `at` in the tar; how many bytes are there now. A piece that was
  // sent already may be sent again.
  virtual boost::asio::awaitable<Result<uint64_t>> Add(std::string upload, uint64_t at,
                                                       std::string piece) = 0;
  // The whole tar is there: unpacks it. The upload ends with this, whatever comes of it.
  virtual boost::asio::awaitable<Result<images::Image>> Import(std::string upload) = 0;
};

class ImageStore final : public ImageUploads {
 public:
  static constexpr size_t kMaxUploads = 8;  // at once
  static constexpr Nanos kPatience = std::chrono::minutes(10);

  explicit ImageStore(Workplace& workplace) : work_(workplace), turns_(workplace.executor) {}

  Result<std::string> Begin() override;
  boost::asio::awaitable<Result<uint64_t>> Add(std::string upload, uint64_t at,
                                               std::string piece) override;
  boost::asio::awaitable<Result<images::Image>> Import(std::string upload) override;

  // What `code_id` of a function with this image is.
  static std::string CodeIdOf(const std::string& image);
  // One that Import() has made and that is there still; it stays for kPatience.
  Result<images::Image> Find(const std::string& id);
  // Whether the root file system is there, at the node's start.
  Result<> Check(const std::string& code_id) const;
  // It may be of no use any more: a function or an instance of it has gone.
  void Doubt(const std::string& code_id);
  bool doubts() const { return !doubted_.empty() || !uploads_.empty(); }
  // Drops what is of no use, and uploads that were left alone.
  boost::asio::awaitable<void> DropUnused(std::function<CodeStore::Use(const std::string&)> use);

 private:
  struct Upload {
    uint64_t bytes = 0;
    SteadyTime touched;
    bool busy = false;
  };

  void Keep(const std::string& code_id) { doubted_[code_id] = work_.clock.Steady(); }
  std::string PathOf(const std::string& name) const {
    return work_.directories.images + "/" + name;
  }
  std::string TarOf(const std::string& upload) const { return PathOf(upload + ".tar"); }
  bool IsLeftAlone(SteadyTime touched) const;
  Result<Upload*> Touch(const std::string& upload);

  Workplace& work_;
  Turns turns_;  // one image is unpacked or dropped at a time
  std::map<std::string, Upload> uploads_;
  std::map<std::string, images::Image> known_;  // by CodeIdOf(): what was imported by this node
  std::map<std::string, SteadyTime> doubted_;   // by CodeIdOf(): when it was wanted last
};

}  // namespace godwit::functions
