#include "functions/image_store.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <vector>

#include "base/fd.h"
#include "base/scope.h"
#include "base/try.h"

namespace godwit::functions {

namespace asio = boost::asio;

namespace {

void RemoveAll(const std::string& path) {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

}  // namespace

std::string ImageStore::CodeIdOf(const std::string& image) {
  return "image-" + std::string(images::HexOf(image).substr(0, 40));
}

bool ImageStore::IsLeftAlone(SteadyTime touched) const {
  return work_.clock.Steady() - touched > kPatience;
}

Result<ImageStore::Upload*> ImageStore::Touch(const std::string& upload) {
  const auto found = uploads_.find(upload);
  if (found == uploads_.end())
    return Fail(Code::kNotFound, "there is no upload '{}' (it has ended; begin anew)", upload);
  if (found->second.busy)
    return Fail(Code::kBusy, "a piece of upload '{}' is being written (send one at a time)",
                upload);
  found->second.touched = work_.clock.Steady();
  return &found->second;
}

Result<std::string> ImageStore::Begin() {
  if (uploads_.size() >= kMaxUploads) {
    return Fail(Code::kBusy, "{} uploads are under way already (try again when one has ended)",
                uploads_.size());
  }
  std::string name = "upload-" + RequestId::New(work_.entropy).text;
  GODWIT_TRY(Open(TarOf(name), O_WRONLY | O_CREAT | O_EXCL, 0600));
  uploads_[name] = {0, work_.clock.Steady(), false};
  return name;
}

asio::awaitable<Result<uint64_t>> ImageStore::Add(std::string upload, uint64_t at,
                                                  std::string piece) {
  GODWIT_CO_TRY(Upload* const there, Touch(upload));
  const uint64_t have = there->bytes;
  if (at > have) {
    co_return Fail(Code::kConflict, "the piece begins at {}, and {} bytes are there (send that)",
                   at, have);
  }
  if (piece.size() > kMaxTar || at > kMaxTar - piece.size())
    co_return Fail(Code::kTooLarge, "a tar has at most {} bytes", kMaxTar);
  there->busy = true;  // it is not dropped meanwhile
  const Result<> written = co_await Offload(work_.pool, [&]() -> Result<> {
    GODWIT_TRY(const Fd file, Open(TarOf(upload), O_WRONLY));
    return WriteAt(file.get(), at, piece).Within("cannot keep the image's tar");
  });
  there->busy = false;
  there->touched = work_.clock.Steady();
  if (!written) co_return std::unexpected(written.error());
  there->bytes = std::max(have, at + piece.size());
  co_return there->bytes;
}

asio::awaitable<Result<images::Image>> ImageStore::Import(std::string upload) {
  GODWIT_CO_TRY(Upload* const there, Touch(upload));
  there->busy = true;
  const Turns::Held mine = co_await turns_.Take("");
  auto image = co_await Offload(work_.pool, [&]() -> Result<images::Image> {
    const std::string work = PathOf(upload + ".work");
    const ScopeExit tidy([&] { RemoveAll(TarOf(upload)); });
    if (::mkdir(work.c_str(), 0700) != 0) return FailErrno(errno, "cannot make '{}'", work);
    return images::ImportImage(TarOf(upload), work,
                               [&](const std::string& id) { return PathOf(CodeIdOf(id)); })
        .Within("the image's tar");
  });
  uploads_.erase(upload);
  if (!image) co_return std::unexpected(std::move(image).error());
  known_[CodeIdOf(image->id)] = *image;
  Keep(CodeIdOf(image->id));
  co_return image;
}

Result<images::Image> ImageStore::Find(const std::string& id) {
  const auto found = images::IsDigest(id) ? known_.find(CodeIdOf(id)) : known_.end();
  if (found == known_.end() || found->second.id != id) {
    return Fail(Code::kInvalid,
                "the image '{}' is not on this node (send it: `godwit deploy NAME --image "
                "FILE.tar`)",
                id);
  }
  Keep(found->first);
  return found->second;
}

Result<> ImageStore::Check(const std::string& code_id) const {
  std::error_code unknown;
  if (std::filesystem::is_directory(PathOf(code_id), unknown)) return {};
  return Fail(Code::kNotFound, "its image is not at '{}' any more", PathOf(code_id));
}

void ImageStore::Doubt(const std::string& code_id) {
  doubted_.try_emplace(code_id, SteadyTime{Nanos::min() / 2});
}

asio::awaitable<void> ImageStore::DropUnused(
    std::function<CodeStore::Use(const std::string&)> use) {
  std::vector<std::string> gone;
  std::erase_if(uploads_, [&](const auto& upload) {
    if (upload.second.busy || !IsLeftAlone(upload.second.touched)) return false;
    gone.push_back(TarOf(upload.first));
    return true;
  });
  const auto held = turns_.TryTake("");
  if (held) {
    std::erase_if(doubted_, [&](const auto& one) {
      const CodeStore::Use now = use(one.first);
      if (now == CodeStore::Use::kFunctions) return true;
      if (now != CodeStore::Use::kNone || !IsLeftAlone(one.second)) return false;
      known_.erase(one.first);
      gone.push_back(PathOf(one.first));
      return true;
    });
  }
  if (gone.empty()) co_return;
  co_await Offload(work_.pool, [&] {
    for (const auto& path : gone) RemoveAll(path);
    return 0;
  });
}

}  // namespace godwit::functions
