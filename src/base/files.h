#pragma once

// The file system as storage/ sees it: whole files, written atomically, made durable on request.
//
// Use it for whatever must survive a crash. `DiskFiles()` is the real one; tests have their own
// that runs out of space or forgets what was not synced. Paths are absolute. Threads: any,
// concurrently. Failure: kNotFound, kNoSpace, kDenied, kInternal, each naming the path.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace godwit {

enum class Durability {
  kCached,   // survives the end of this process, not of the machine
  kDurable,  // survives a power cut: file and directory entry are synced before the call returns
};

class Files {
 public:
  Files() = default;
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;
  virtual ~Files() = default;

  // The whole file; kTooLarge beyond `limit` bytes.
  virtual Result<std::string> Read(const std::string& path, size_t limit) = 0;
  // Puts `bytes` at `path`, mode 0600: readers see the old file or the new one, never a part.
  virtual Result<> Write(const std::string& path, std::string_view bytes,
                         Durability durability) = 0;
  // Makes an earlier kCached write durable.
  virtual Result<> Sync(const std::string& path) = 0;
  virtual Result<> Remove(const std::string& path) = 0;
  // Also makes missing parents; mode 0700; no error if it is there.
  virtual Result<> MakeDirectory(const std::string& path) = 0;
  // Names in the directory, sorted; empty if there is no such directory.
  virtual Result<std::vector<std::string>> List(const std::string& path) = 0;
  virtual Result<uint64_t> Size(const std::string& path) = 0;
};

std::unique_ptr<Files> DiskFiles();

}  // namespace godwit
