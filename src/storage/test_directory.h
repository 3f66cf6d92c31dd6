#pragma once

// For tests: a directory that is made for one test and removed after it, and a disk that is too
// small.
//
// Threads: one. Failure: aborts the test program.
#include <sched.h>
#include <sys/mount.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <string_view>
#include <thread>

namespace godwit::storage {

class TestDirectory {
 public:
  explicit TestDirectory(
      const std::filesystem::path& parent = std::filesystem::temp_directory_path()) {
    std::string pattern = parent / "godwit-storage-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = pattern;
  }
  ~TestDirectory() { std::filesystem::remove_all(path_); }
  TestDirectory(const TestDirectory&) = delete;
  TestDirectory& operator=(const TestDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(std::string_view name) const { return path_ + '/' + std::string(name); }

 private:
  std::string path_;
};

inline std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void WriteFile(const std::string& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file.flush()) std::abort();
}

// Runs `body` where `directory` is a tmpfs of so many KiB, seen by that thread and its children
// only. False if this process may not mount.
inline bool OnSmallDisk(const std::string& directory, unsigned kib,
                        const std::function<void()>& body) {
  bool mounted = false;
  std::thread([&] {
    const std::string options = "size=" + std::to_string(kib) + "k";
    if (::unshare(CLONE_NEWNS) != 0) return;
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return;
    if (::mount("small", directory.c_str(), "tmpfs", 0, options.c_str()) != 0) return;
    mounted = true;
    body();
    ::umount2(directory.c_str(), MNT_DETACH);
  }).join();
  return mounted;
}

}  // namespace godwit::storage
