#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/bytes.h"
#include "base/entropy.h"
#include "base/try.h"
#include "checkpoint/tree.h"

namespace godwit::checkpoint {
namespace {

using Kind = ImageEntry::Kind;

constexpr size_t kShelfBytes = 16;  // of randomness in its name

std::array<timespec, 2> TimesOf(const ImageEntry& entry) {
  const timespec time{static_cast<time_t>(entry.seconds), static_cast<long>(entry.nanoseconds)};
  return {time, time};
}

}  // namespace

Result<TreeWriter> TreeWriter::Begin(const std::string& top, uint32_t uid,
                                     const std::vector<ImageEntry>& entries) {
  GODWIT_TRY(Descent place, Descent::Begin(top, "/tmp"));
  TreeWriter writer(std::move(place), uid);
  for (const ImageEntry& entry : entries) {
    if (entry.kind == Kind::kAgain) ++writer.again_[entry.first];
  }
  if (writer.again_.empty()) return writer;
  // Nobody can have taken a name that nobody knew.
  writer.shelf_name_ = ".godwit-" + ToHex(SystemEntropy().Bytes(kShelfBytes));
  if (::mkdirat(writer.place_.fd(), writer.shelf_name_.c_str(), 0700) != 0)
    return FailErrno(errno, "cannot make '{}'", writer.place_.Where(writer.shelf_name_));
  GODWIT_TRY(writer.shelf_, writer.place_.Open(writer.shelf_name_, O_RDONLY | O_DIRECTORY));
  return writer;
}

Result<> TreeWriter::Add(const ImageEntry& entry) {
  GODWIT_TRY(CloseFile());
  GODWIT_TRY(Make(entry));
  if (again_.contains(added_)) GODWIT_TRY(Remember(entry));
  ++added_;
  return {};
}

Result<> TreeWriter::Make(const ImageEntry& entry) {
  switch (entry.kind) {
    case Kind::kCriu:
    case Kind::kPages:
    case Kind::kBase:
    case Kind::kSums:
      return {};  // is not of the tree
    case Kind::kFile:
    case Kind::kSparse:
      return MakeFile(entry);
    case Kind::kDirectory:
      // Ours alone until all is in it.
      if (::mkdirat(place_.fd(), entry.name.c_str(), 0700) != 0)
        return FailErrno(errno, "cannot make '{}'", place_.Where(entry.name));
      open_.push_back(&entry);
      return place_.Enter(entry.name);
    case Kind::kUp:
      GODWIT_TRY(GiveAway(place_.fd(), *open_.back(), place_.Where()));
      open_.pop_back();
      return place_.Leave();
    case Kind::kLink:
      return MakeLink(entry);
    case Kind::kFifo:
      return MakeFifo(entry);
    case Kind::kAgain:
      return MakeAgain(entry);
  }
  return {};
}

Result<> TreeWriter::MakeFile(const ImageEntry& entry) {
  GODWIT_TRY(file_, place_.Open(entry.name, O_WRONLY | O_CREAT | O_EXCL, 0600));
  entry_ = &entry;
  extent_ = 0;
  written_ = 0;
  if (entry.kind == Kind::kSparse &&
      ::ftruncate(file_.get(), static_cast<off_t>(entry.bytes)) != 0) {
    return FailErrno(errno, "cannot make '{}' {} bytes long", place_.Where(entry.name),
                     entry.bytes);
  }
  return {};
}

Result<> TreeWriter::Write(std::string_view bytes) {
  if (entry_ == nullptr) return Fail(Code::kInternal, "there is no file to write to");
  while (!bytes.empty()) {
    const bool sparse = entry_->kind == Kind::kSparse;
    if (sparse && extent_ == entry_->extents.size())
      return Fail(Code::kInternal, "'{}' has no more extents", place_.Where(entry_->name));
    const Extent extent = sparse ? entry_->extents[extent_] : Extent{0, entry_->bytes};
    const auto piece = bytes.substr(0, extent.bytes - written_);
    GODWIT_TRY(WriteAt(file_.get(), extent.at + written_, piece)
                   .Within("cannot write '{}'", place_.Where(entry_->name)));
    bytes.remove_prefix(piece.size());
    written_ += piece.size();
    if (sparse && written_ == extent.bytes) {
      ++extent_;
      written_ = 0;
    }
  }
  return {};
}

Result<> TreeWriter::CloseFile() {
  if (entry_ == nullptr) return {};
  GODWIT_TRY(GiveAway(file_.get(), *entry_, place_.Where(entry_->name)));
  entry_ = nullptr;
  file_ = Fd();
  return {};
}

Result<> TreeWriter::Finish() {
  GODWIT_TRY(CloseFile());
  if (shelf_ && ::unlinkat(place_.fd(), shelf_name_.c_str(), AT_REMOVEDIR) != 0)
    return FailErrno(errno, "cannot remove '{}'", place_.Where(shelf_name_));
  return {};
}

Result<> TreeWriter::MakeLink(const ImageEntry& entry) {
  const char* name = entry.name.c_str();
  if (::symlinkat(entry.target.c_str(), place_.fd(), name) != 0 ||
      ::utimensat(place_.fd(), name, TimesOf(entry).data(), AT_SYMLINK_NOFOLLOW) != 0 ||
      ::fchownat(place_.fd(), name, uid_, uid_, AT_SYMLINK_NOFOLLOW) != 0) {
    return FailErrno(errno, "cannot make the link '{}'", place_.Where(entry.name));
  }
  return {};
}

Result<> TreeWriter::MakeFifo(const ImageEntry& entry) {
  const std::string where = place_.Where(entry.name);
  if (::mkfifoat(place_.fd(), entry.name.c_str(), 0600) != 0)
    return FailErrno(errno, "cannot make the FIFO '{}'", where);
  GODWIT_TRY(const Fd fd, place_.Open(entry.name, O_RDONLY));
  return GiveAway(fd.get(), entry, where);
}

// The owner first: a change of owner takes the set-uid bits away.
Result<> TreeWriter::GiveAway(int fd, const ImageEntry& entry, const std::string& where) const {
  if (::fchown(fd, uid_, uid_) != 0 || ::fchmod(fd, entry.mode) != 0 ||
      ::futimens(fd, TimesOf(entry).data()) != 0) {
    return FailErrno(errno, "cannot give away '{}'", where);
  }
  return {};
}

Result<> TreeWriter::Remember(const ImageEntry& entry) {
  if (::linkat(place_.fd(), entry.name.c_str(), shelf_.get(), fmt::format("{}", added_).c_str(),
               0) != 0) {
    return FailErrno(errno, "cannot link '{}'", place_.Where(entry.name));
  }
  return {};
}

Result<> TreeWriter::MakeAgain(const ImageEntry& entry) {
  const std::string shelved = fmt::format("{}", entry.first);
  if (::linkat(shelf_.get(), shelved.c_str(), place_.fd(), entry.name.c_str(), 0) != 0)
    return FailErrno(errno, "cannot link '{}'", place_.Where(entry.name));
  const auto left = again_.find(entry.first);
  if (left == again_.end() || --left->second > 0) return {};
  if (::unlinkat(shelf_.get(), shelved.c_str(), 0) != 0)
    return FailErrno(errno, "cannot remove '{}/{}'", place_.Where(shelf_name_), shelved);
  return {};
}

}  // namespace godwit::checkpoint
