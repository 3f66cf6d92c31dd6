#include "checkpoint/descent.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/try.h"

namespace godwit::checkpoint {
namespace {

constexpr size_t kHeld = 16;             // directories that are open at a time
constexpr size_t kNamesRoom = 64 << 10;  // bytes of names the kernel gives at once
constexpr size_t kLongest = 400;         // bytes of a place in an error
constexpr int kDirectory = O_RDONLY | O_DIRECTORY;

int OpenAt2(int at, const char* name, int flags, unsigned mode, unsigned resolve) {
  const struct open_how how = {.flags = static_cast<unsigned>(flags | O_CLOEXEC),
                               .mode = mode,
                               .resolve = resolve | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV};
  return static_cast<int>(::syscall(SYS_openat2, at, name, &how, sizeof how));
}

std::string Printable(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      text += c;
    } else {
      text += fmt::format("\\x{:02x}", byte);
    }
  }
  return text;
}

}  // namespace

Result<Descent> Descent::Begin(const std::string& path, std::string label) {
  GODWIT_TRY(Fd fd, godwit::Open(path, kDirectory | O_NOFOLLOW));
  Descent descent;
  GODWIT_TRY(descent.Arrive(std::move(fd), std::move(label)));
  return descent;
}

Result<> Descent::Arrive(Fd fd, std::string name) {
  struct stat st = {};
  if (::fstat(fd.get(), &st) != 0) return FailErrno(errno, "cannot look at '{}'", Where(name));
  if (steps_.size() >= kHeld) steps_[steps_.size() - kHeld].fd = Fd();
  steps_.push_back({std::move(name), std::move(fd), st.st_dev, st.st_ino});
  return {};
}

Result<> Descent::Enter(const std::string& name) {
  GODWIT_TRY(Fd fd, Open(name, kDirectory));
  return Arrive(std::move(fd), name);
}

Result<> Descent::Leave() {
  Step& above = steps_[steps_.size() - 2];
  if (!above.fd) {
    Fd fd(OpenAt2(this->fd(), "..", kDirectory, 0, 0));
    if (!fd) return FailErrno(errno, "cannot go back from '{}'", Where());
    struct stat st = {};
    if (::fstat(fd.get(), &st) != 0) return FailErrno(errno, "cannot look above '{}'", Where());
    if (st.st_dev != above.device || st.st_ino != above.inode) {
      return Fail(Code::kBusy, "'{}' was moved while it was looked at", Where());
    }
    above.fd = std::move(fd);
  }
  steps_.pop_back();
  return {};
}

Result<Fd> Descent::Open(const std::string& name, int flags, unsigned mode) const {
  const int opened =
      OpenAt2(fd(), name.c_str(), flags | O_NOFOLLOW | O_NONBLOCK, mode, RESOLVE_BENEATH);
  if (opened < 0) return FailErrno(errno, "cannot open '{}'", Where(name));
  return Fd(opened);
}

Result<struct stat> Descent::Look(const std::string& name) const {
  struct stat st = {};
  if (::fstatat(fd(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0)
    return FailErrno(errno, "cannot look at '{}'", Where(name));
  return st;
}

Result<std::vector<std::string>> Descent::Names() const {
  std::vector<std::string> names;
  const auto room = std::make_unique_for_overwrite<char[]>(kNamesRoom);
  if (::lseek(fd(), 0, SEEK_SET) < 0) return FailErrno(errno, "cannot list '{}'", Where());
  while (true) {
    const ssize_t n = ::getdents64(fd(), room.get(), kNamesRoom);
    if (n < 0) return FailErrno(errno, "cannot list '{}'", Where());
    if (n == 0) break;
    for (ssize_t at = 0; at < n;) {
      const auto* entry = reinterpret_cast<const dirent64*>(room.get() + at);
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
      at += entry->d_reclen;
    }
  }
  std::ranges::sort(names);
  return names;
}

std::string Descent::Where(std::string_view name) const {
  // A very deep place is not put together in full only to be cut.
  std::string front;
  std::string back = name.empty() ? "" : "/" + Printable(name);
  size_t i = steps_.size();
  while (i > 1 && back.size() < kLongest) back.insert(0, "/" + Printable(steps_[--i].name));
  if (!steps_.empty()) front = steps_.front().name + (i > 1 ? "/..." : "");
  return front + back;
}

namespace {

Result<> EmptyFrom(Descent& place) {
  std::vector<std::vector<std::string>> left;
  GODWIT_TRY(left.emplace_back(), place.Names());
  while (true) {
    if (left.back().empty()) {
      left.pop_back();
      if (left.empty()) return {};
      GODWIT_TRY(place.Leave());
      static_cast<void>(::unlinkat(place.fd(), left.back().back().c_str(), AT_REMOVEDIR));
      left.back().pop_back();
      continue;
    }
    const std::string& name = left.back().back();
    if (::unlinkat(place.fd(), name.c_str(), 0) == 0 || errno != EISDIR ||
        !place.Enter(name).has_value()) {
      left.back().pop_back();
      continue;
    }
    Result<std::vector<std::string>> names = place.Names();
    left.push_back(names ? *std::move(names) : std::vector<std::string>());
  }
}

}  // namespace

void EmptyDirectory(const std::string& path) {
  Result<Descent> place = Descent::Begin(path, path);
  if (place) static_cast<void>(EmptyFrom(*place));
}

}  // namespace godwit::checkpoint
