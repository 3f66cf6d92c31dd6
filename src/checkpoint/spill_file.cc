#include "checkpoint/spill_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>

#include "base/try.h"
#include "storage/seal.h"

namespace godwit::checkpoint {
namespace {

constexpr uint64_t kRecord = kPage + storage::Seal::kTagBytes;
constexpr uint64_t kAtOnce = 256;  // pages

class Sealed : public SpillFile {
 public:
  Sealed(Fd file, const storage::Digest& key)
      : file_(std::move(file)), seal_(storage::FasterCipher(), key) {}

  Result<uint64_t> Append(std::span<const char> pages) override {
    const std::lock_guard lock(mutex_);
    const uint64_t offset = pages_ * kPage;
    while (!pages.empty()) {
      const uint64_t count = std::min(pages.size() / kPage, kAtOnce);
      records_.resize(count * kRecord);
      for (uint64_t i = 0; i < count; ++i)
        seal_.Close(pages_ + i, {}, {pages.data() + i * kPage, kPage}, &records_[i * kRecord]);
      GODWIT_TRY(WriteAt(file_.get(), pages_ * kRecord, records_)
                     .Within("cannot put memory away on disk"));
      pages_ += count;
      pages = pages.subspan(count * kPage);
    }
    return offset;
  }

  Result<> Read(uint64_t offset, std::span<char> into) override {
    const std::lock_guard lock(mutex_);
    uint64_t page = offset / kPage;
    for (; !into.empty(); into = into.subspan(kPage), ++page) {
      if (page >= read_end_ || page < read_from_) {
        const uint64_t count = std::min({into.size() / kPage, kAtOnce, pages_ - page});
        if (page >= pages_) return Fail(Code::kCorrupt, "the pages end at {}, too early", offset);
        records_.resize(count * kRecord);
        read_from_ = read_end_ = 0;
        GODWIT_TRY(ReadAt(page * kRecord));
        read_from_ = page;
        read_end_ = page + count;
      }
      GODWIT_TRY(
          seal_.Open(page, {}, {&records_[(page - read_from_) * kRecord], kRecord}, into.data())
              .Within("memory that was put away has changed"));
    }
    read_from_ = read_end_ = 0;
    return {};
  }

  uint64_t bytes() const override { return pages_ * kRecord; }

 private:
  Result<> ReadAt(uint64_t at) {
    for (size_t done = 0; done < records_.size();) {
      const ssize_t count = ::pread(file_.get(), records_.data() + done, records_.size() - done,
                                    static_cast<off_t>(at + done));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return FailErrno(errno, "cannot read memory that was put away");
      if (count == 0) return Fail(Code::kCorrupt, "memory that was put away is cut short");
      done += static_cast<size_t>(count);
    }
    return {};
  }

  std::mutex mutex_;
  Fd file_;
  storage::Seal seal_;
  uint64_t pages_ = 0;
  std::string records_;
  uint64_t read_from_ = 0;  // pages that `records_` has
  uint64_t read_end_ = 0;
};

}  // namespace

Result<std::shared_ptr<SpillFile>> SpillFile::Make(const std::string& directory, Entropy& entropy) {
  Fd file(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!file) return FailErrno(errno, "cannot make a file in '{}'", directory);
  const std::string secret = entropy.Bytes(sizeof(storage::Digest));
  storage::Digest key;
  std::ranges::copy(secret, key.begin());
  return std::make_shared<Sealed>(std::move(file), key);
}

}  // namespace godwit::checkpoint
