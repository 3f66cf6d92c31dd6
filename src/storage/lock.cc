#include "storage/lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "base/files.h"
#include "base/try.h"

namespace godwit::storage {
namespace {

constexpr size_t kMostDigits = 20;

// What the holder wrote; between taking the lock and writing it is empty.
std::string HolderIn(int fd) {
  const Result<std::string> text = ReadAll(fd, kMostDigits);
  if (!text || text->find_first_not_of("0123456789\n") != std::string::npos) return "unknown";
  const std::string pid = text->substr(0, text->find('\n'));
  return pid.empty() ? "unknown" : pid;
}

}  // namespace

Result<StoreLock> LockStore(const std::string& directory) {
  GODWIT_TRY(DiskFiles()->MakeDirectory(directory).Within("cannot open the store '{}'", directory));
  GODWIT_TRY(Fd fd, Open(directory + "/lock", O_RDWR | O_CREAT, 0600)
                        .Within("cannot open the store '{}'", directory));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return FailErrno(errno, "cannot open the store '{}'", directory);
    return Fail(Code::kConflict,
                "cannot open the store '{}': another godwit (pid {}) uses it (stop it, or pass "
                "another --data)",
                directory, HolderIn(fd.get()));
  }
  // Only a courtesy to who is turned away: a full disk must not keep the node from starting.
  if (::ftruncate(fd.get(), 0) == 0) {
    static_cast<void>(WriteAll(fd.get(), fmt::format("{}\n", ::getpid())));
  }
  return StoreLock(std::move(fd));
}

}  // namespace godwit::storage
