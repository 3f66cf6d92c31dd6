#include "images/layer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <set>

#include "base/try.h"
#include "images/tar_stream.h"
#include "storage/entry_path.h"
#include "storage/utf8_locale.h"

namespace godwit::images {
namespace {

using Place = RootTree::Place;

constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";
constexpr unsigned kModeBits = 0777;
constexpr uint64_t kHeaderBytes = 4096;  // of the tar, for each entry, at most

// Docker's own tars begin their names with "./", some tools' with "/".
std::string_view Relative(std::string_view name) {
  while (name.starts_with('/')) name.remove_prefix(1);
  return name;
}

class Layering {
 public:
  Layering(RootTree& root, Allowance& allowance) : root_(root), allowance_(allowance) {}

  Result<> Add(TarStream& tar, archive_entry* entry) {
    const char* const name = archive_entry_pathname(entry);
    const std::string shown = name != nullptr ? name : "";
    return AddNamed(shown, tar, entry).Within("entry '{}'", storage::ShownEntry(shown));
  }

 private:
  Result<> AddNamed(const std::string& name, TarStream& tar, archive_entry* entry) {
    if (allowance_.left.entries == 0)
      return Fail(Code::kTooLarge, "it is one too many, {} are taken", allowance_.all.entries);
    --allowance_.left.entries;
    const std::string_view relative = Relative(name);
    if (relative.empty()) return {};
    GODWIT_TRY(const std::string path,
               storage::CleanEntryPath(relative, allowance_.left.path_bytes));
    if (path.empty()) return {};
    const std::string base = path.substr(path.rfind('/') + 1);
    if (base.starts_with(kWhiteout)) return TakeAway(path, base);
    const bool is_link = archive_entry_hardlink(entry) != nullptr;
    const auto type = archive_entry_filetype(entry);
    if (!is_link && type != AE_IFREG && type != AE_IFDIR && type != AE_IFLNK) return {};
    GODWIT_TRY(const Place place, root_.Reach(path));
    Note(path);
    if (is_link) return HardLink(place, archive_entry_hardlink(entry));
    const unsigned mode = archive_entry_perm(entry) & kModeBits;
    if (type == AE_IFDIR) return RootTree::MakeDirectory(place, mode);
    GODWIT_TRY(RootTree::Remove(place));
    return type == AE_IFREG ? WriteFile(place, mode, tar) : SymbolicLink(place, entry);
  }

  // The path and all above it are this layer's.
  void Note(const std::string& path) {
    for (size_t end = path.find('/'); end != std::string::npos; end = path.find('/', end + 1))
      own_.insert(path.substr(0, end));
    own_.insert(path);
  }

  Result<> TakeAway(const std::string& path, const std::string& base) {
    const std::string above = path.substr(0, path.size() - base.size());  // with its slash
    if (base == kOpaque) return Empty(above);
    const std::string name = base.substr(kWhiteout.size());
    if (name.empty() || name == "." || name == "..")
      return Fail(Code::kInvalid, "it takes nothing away");
    // What else begins with ".wh..wh." is a tool's own.
    if (name.starts_with(kWhiteout)) return {};
    GODWIT_TRY(const Place place, root_.Find(above + name));
    return place.parent ? RootTree::Remove(place) : Result<>{};
  }

  Result<> Empty(const std::string& above) {
    GODWIT_TRY(const Place inside, root_.Find(above + "x"));
    if (!inside.parent) return {};
    const std::string directory = fmt::format("/proc/self/fd/{}", inside.parent.get());
    std::error_code error;
    for (const auto& one : std::filesystem::directory_iterator(directory + "/", error)) {
      const std::string name = one.path().filename();
      if (own_.contains(above + name)) continue;
      const Place place{Fd(::fcntl(inside.parent.get(), F_DUPFD_CLOEXEC, 3)), name};
      GODWIT_TRY(RootTree::Remove(place));
    }
    return {};
  }

  Result<> HardLink(const Place& place, const char* target) {
    GODWIT_TRY(const std::string path,
               storage::CleanEntryPath(Relative(target), allowance_.left.path_bytes));
    GODWIT_TRY(const Place from, root_.Find(path));
    const unsigned type = from.parent ? RootTree::TypeOf(from) : 0;
    if (type != S_IFREG && type != S_IFLNK)
      return Fail(Code::kInvalid, "it is a hard link to '{}', which is no file here",
                  storage::ShownEntry(path));
    struct stat one = {}, other = {};
    const bool same =
        ::fstatat(place.parent.get(), place.name.c_str(), &one, AT_SYMLINK_NOFOLLOW) == 0 &&
        ::fstatat(from.parent.get(), from.name.c_str(), &other, AT_SYMLINK_NOFOLLOW) == 0 &&
        one.st_ino == other.st_ino && one.st_dev == other.st_dev;
    if (same) return {};
    GODWIT_TRY(RootTree::Remove(place));
    if (::linkat(from.parent.get(), from.name.c_str(), place.parent.get(), place.name.c_str(), 0) !=
        0)
      return FailErrno(errno, "cannot make the hard link");
    return {};
  }

  static Result<> SymbolicLink(const Place& place, archive_entry* entry) {
    const char* const target = archive_entry_symlink(entry);
    if (target == nullptr || *target == '\0')
      return Fail(Code::kInvalid, "it is a link to nothing");
    if (::symlinkat(target, place.parent.get(), place.name.c_str()) != 0)
      return FailErrno(errno, "cannot make the link");
    return {};
  }

  Result<> WriteFile(const Place& place, unsigned mode, TarStream& tar) {
    const Fd file(::openat(place.parent.get(), place.name.c_str(),
                           O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file) return FailErrno(errno, "cannot make the file");
    while (true) {
      GODWIT_TRY(const std::string_view piece, tar.Read());
      if (piece.empty()) break;
      if (piece.size() > allowance_.left.bytes) {
        return Fail(Code::kTooLarge, "with it more than {} bytes are unpacked, which is the limit",
                    allowance_.all.bytes);
      }
      allowance_.left.bytes -= piece.size();
      GODWIT_TRY(WriteAll(file.get(), piece));
    }
    if (::fchmod(file.get(), mode) != 0) return FailErrno(errno, "cannot set the mode of the file");
    return {};
  }

  RootTree& root_;
  Allowance& allowance_;
  std::set<std::string, std::less<>> own_;
};

}  // namespace

Result<> ApplyLayer(const std::string& file, const std::string& diff_id, RootTree& root,
                    Allowance& allowance) {
  const storage::Utf8Locale utf8;
  GODWIT_TRY(const auto tar,
             TarStream::Open(file, allowance.left.bytes + allowance.left.entries * kHeaderBytes));
  Layering layering(root, allowance);
  while (true) {
    GODWIT_TRY(archive_entry* const entry, tar->Next());
    if (entry == nullptr) break;
    GODWIT_TRY(layering.Add(*tar, entry));
  }
  GODWIT_TRY(const std::string digest, tar->DiffId());
  if (digest != diff_id) {
    return Fail(Code::kCorrupt, "it is {}, and should be {} (make the tar anew)", digest, diff_id);
  }
  return {};
}

}  // namespace godwit::images
