#include "checkpoint/clone.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <string_view>

#include "base/fd.h"
#include "base/try.h"
#include "checkpoint/core_image.h"
#include "checkpoint/image_file.h"

namespace godwit::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLargest = 256 << 20;  // bytes of an image that is copied
constexpr uint32_t kLoopback = 127;

bool IsMemory(std::string_view name) { return name.starts_with("pages-"); }
bool IsGhost(std::string_view name) { return name.starts_with("ghost-file-"); }

// An address that every instance has: none, or one of the loopback (IPv4 as it is or mapped).
template <typename Words>
bool IsEverybodys(const Words& words) {
  if (std::ranges::all_of(words, [](uint32_t word) { return word == 0; })) return true;
  if (words.size() == 1) return ntohl(words[0]) >> 24 == kLoopback;
  if (words.size() != 4 || words[0] != 0 || words[1] != 0) return false;
  if (words[2] == 0) return ntohl(words[3]) == 1;  // ::1
  return ntohl(words[2]) == 0xffff && ntohl(words[3]) >> 24 == kLoopback;
}

uint32_t Now(uint32_t id, uint32_t was, uint32_t uid) { return id == was ? uid : id; }

void Change(image::Credentials& ids, uint32_t was, uint32_t uid) {
  ids.set_uid(Now(ids.uid(), was, uid));
  ids.set_gid(Now(ids.gid(), was, uid));
  ids.set_euid(Now(ids.euid(), was, uid));
  ids.set_egid(Now(ids.egid(), was, uid));
  ids.set_suid(Now(ids.suid(), was, uid));
  ids.set_sgid(Now(ids.sgid(), was, uid));
  ids.set_fsuid(Now(ids.fsuid(), was, uid));
  ids.set_fsgid(Now(ids.fsgid(), was, uid));
}

// Processes and threads.
Result<> ChangeUser(const std::string& images, uint32_t was, uint32_t uid) {
  GODWIT_TRY(const auto tree, ReadTree(images));
  for (const auto& process : tree) {
    for (const uint32_t thread : process.threads()) {
      GODWIT_TRY(ChangeCore(images, thread, [&](image::Core& core) {
        if (!core.has_thread_core() || !core.thread_core().has_creds()) return false;
        Change(*core.mutable_thread_core()->mutable_creds(), was, uid);
        return true;
      }));
    }
  }
  return {};
}

// Sockets that have a name in the file system belong to whoever bound them.
Result<> ChangeSockets(const std::string& images, uint32_t was, uint32_t uid) {
  const std::string path = images + "/files.img";
  if (!fs::exists(path)) return {};
  GODWIT_TRY(ImageFile file, ReadImageFile(path));
  bool changed = false;
  for (auto& bytes : file.entries) {
    GODWIT_TRY(auto entry, ParseEntry<image::File>(path, bytes));
    if (!entry.has_usk() || !entry.usk().has_file_perms()) continue;
    auto& permissions = *entry.mutable_usk()->mutable_file_perms();
    permissions.set_uid(Now(permissions.uid(), was, uid));
    permissions.set_gid(Now(permissions.gid(), was, uid));
    bytes = entry.SerializeAsString();
    changed = true;
  }
  return changed ? WriteImageFile(path, file) : Result<>{};
}

Result<uint64_t> Copy(const std::string& from, const std::string& to) {
  GODWIT_TRY(const Fd source, Open(from, O_RDONLY));
  GODWIT_TRY(const std::string bytes,
             ReadAll(source.get(), kLargest).Within("cannot read '{}'", from));
  GODWIT_TRY(const Fd target, Open(to, O_WRONLY | O_CREAT | O_EXCL, 0600));
  GODWIT_TRY(WriteAll(target.get(), bytes).Within("cannot write '{}'", to));
  return bytes.size();
}

}  // namespace

Result<> CheckClonable(const std::string& images) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(images, error)) {
    if (IsGhost(entry.path().filename().string())) {
      return Fail(Code::kUnsupported,
                  "a deleted file is still open (close what is temporary before the handler is "
                  "loaded, or open it in the handler)");
    }
  }
  const std::string path = images + "/files.img";
  if (!fs::exists(path)) return {};
  GODWIT_TRY(const ImageFile file, ReadImageFile(path));
  for (const auto& bytes : file.entries) {
    GODWIT_TRY(const auto entry, ParseEntry<image::File>(path, bytes));
    if (!entry.has_isk() || entry.isk().src_port() == 0) continue;
    if (IsEverybodys(entry.isk().src_addr()) && IsEverybodys(entry.isk().dst_addr())) continue;
    return Fail(Code::kUnsupported,
                "a socket at port {} is connected to somebody outside or bound to the address of "
                "this one instance (connect in the handler, or in a hook after the restore)",
                entry.isk().src_port());
  }
  return {};
}

Result<uint64_t> CopyForClone(const std::string& from, const std::string& to, uint32_t was,
                              uint32_t uid) {
  uint64_t copied = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(from, error)) {
    const std::string name = entry.path().filename();
    if (!name.ends_with(".img")) continue;
    const std::string target = to + "/" + name;
    if (!IsMemory(name)) {
      GODWIT_TRY(const uint64_t bytes, Copy(entry.path(), target));
      copied += bytes;
    } else if (::link(entry.path().c_str(), target.c_str()) != 0) {
      return FailErrno(errno, "cannot link '{}'", target);
    }
  }
  if (error) return FailErrno(error.value(), "cannot look into '{}'", from);
  GODWIT_TRY(GiveTo(to, was, uid));
  return copied;
}

Result<> GiveTo(const std::string& images, uint32_t was, uint32_t uid) {
  GODWIT_TRY(ChangeUser(images, was, uid));
  return ChangeSockets(images, was, uid);
}

}  // namespace godwit::checkpoint
