#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>

#include "base/fd.h"
#include "base/try.h"
#include "node/runtime_files.h"

namespace godwit::node {

namespace fs = std::filesystem;

Result<> UnpackRuntimes(const std::string& directory) {
  std::error_code error;
  fs::remove_all(directory, error);
  for (const auto& file : RuntimeFiles()) {
    const fs::path path = fs::path(directory) / file.path;
    fs::create_directories(path.parent_path(), error);
    if (error) return FailErrno(error.value(), "cannot make '{}'", path.parent_path().string());
    GODWIT_TRY(const Fd fd, Open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
    GODWIT_TRY(WriteAll(fd.get(), file.bytes).Within("cannot write '{}'", path.string()));
    ::fchmod(fd.get(), 0644);
  }
  for (fs::recursive_directory_iterator it(directory, error), end; !error && it != end;
       it.increment(error)) {
    if (it->is_directory()) ::chmod(it->path().c_str(), 0755);
  }
  ::chmod(directory.c_str(), 0755);
  return {};
}

}  // namespace godwit::node
