#include "images/root_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/try.h"

namespace godwit::images {

Result<RootTree> RootTree::Open(const std::string& directory) {
  GODWIT_TRY(Fd root, godwit::Open(directory, O_RDONLY | O_DIRECTORY));
  return RootTree(std::move(root));
}

// kNotFound if it is not there.
Result<Fd> RootTree::Directory(std::string_view path) const {
  const std::string name = path.empty() ? "." : std::string(path);
  const open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                        .mode = 0,
                        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV};
  Fd found(static_cast<int>(::syscall(SYS_openat2, root_.get(), name.c_str(), &how, sizeof how)));
  if (found) return found;
  if (errno == ENOTDIR || errno == ELOOP || errno == ENAMETOOLONG || errno == EXDEV)
    return Fail(Code::kInvalid, "what is above it is no directory");
  return FailErrno(errno, "cannot reach its directory");
}

Result<RootTree::Place> RootTree::Find(std::string_view path) const {
  const size_t slash = path.rfind('/');
  const bool top = slash == std::string_view::npos;
  auto parent = Directory(top ? std::string_view() : path.substr(0, slash));
  std::string name(top ? path : path.substr(slash + 1));
  if (parent) return Place{*std::move(parent), std::move(name)};
  if (parent.error().code() == Code::kNotFound) return Place{Fd(), std::move(name)};
  return std::unexpected(std::move(parent).error());
}

Result<RootTree::Place> RootTree::Reach(std::string_view path) {
  GODWIT_TRY(Place place, Find(path));
  for (size_t end = path.find('/'); !place.parent && end != std::string_view::npos;
       end = path.find('/', end + 1)) {
    GODWIT_TRY(const Place step, Find(path.substr(0, end)));
    if (!step.parent) return Fail(Code::kInvalid, "what is above it is no directory");
    // A link that leads nowhere would be in the way for ever.
    if (TypeOf(step) == S_IFLNK && !Directory(path.substr(0, end))) GODWIT_TRY(Remove(step));
    if (TypeOf(step) == 0) GODWIT_TRY(MakeDirectory(step, 0755));
  }
  if (place.parent) return place;
  GODWIT_TRY(place, Find(path));
  if (!place.parent) return Fail(Code::kInvalid, "what is above it is no directory");
  return place;
}

unsigned RootTree::TypeOf(const Place& place) {
  struct stat st = {};
  if (::fstatat(place.parent.get(), place.name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) return 0;
  return st.st_mode & S_IFMT;
}

Result<> RootTree::MakeDirectory(const Place& place, unsigned mode) {
  if (const unsigned type = TypeOf(place); type != 0 && type != S_IFDIR) GODWIT_TRY(Remove(place));
  const int parent = place.parent.get();
  if (::mkdirat(parent, place.name.c_str(), 0755) != 0 && errno != EEXIST)
    return FailErrno(errno, "cannot make the directory");
  const Fd made(
      ::openat(parent, place.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!made || ::fchmod(made.get(), mode) != 0)
    return FailErrno(errno, "cannot set the mode of the directory");
  return {};
}

Result<> RootTree::Remove(const Place& place) {
  if (::unlinkat(place.parent.get(), place.name.c_str(), 0) == 0 || errno == ENOENT) return {};
  if (errno != EISDIR && errno != EPERM) return FailErrno(errno, "cannot remove what it replaces");
  // It removes links, and does not follow them.
  const std::string path = fmt::format("/proc/self/fd/{}/{}", place.parent.get(), place.name);
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) return Fail(Code::kInternal, "cannot remove what it replaces: {}", error.message());
  return {};
}

}  // namespace godwit::images
