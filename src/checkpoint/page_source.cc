#include "checkpoint/page_source.h"

#include <unistd.h>

#include <cerrno>

namespace godwit::checkpoint {
namespace {

class File : public PageSource {
 public:
  explicit File(Fd file) : file_(std::move(file)) {}

  Result<> Read(uint64_t offset, std::span<char> into) override {
    while (!into.empty()) {
      const ssize_t count =
          ::pread(file_.get(), into.data(), into.size(), static_cast<off_t>(offset));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return FailErrno(errno, "cannot read a page at {}", offset);
      if (count == 0) return Fail(Code::kCorrupt, "the pages end at {}, too early", offset);
      offset += static_cast<uint64_t>(count);
      into = into.subspan(static_cast<size_t>(count));
    }
    return {};
  }

  uint64_t Step() const override { return 16 * kPage; }

 private:
  Fd file_;
};

}  // namespace

std::shared_ptr<PageSource> FileSource(Fd file) { return std::make_shared<File>(std::move(file)); }

}  // namespace godwit::checkpoint
