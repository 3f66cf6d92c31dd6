#pragma once

// A file that nobody sees until it is whole.
//
// It has no name while it is written (O_TMPFILE of open(2)), so that a crash leaves nothing behind.
// On a file system without that it is called part-... in its directory and removed on failure;
// RemoveParts() at start-up takes away what a crash left. Threads: one at a time.
// Failure: by errno, naming the path; kNoSpace on a full disk.
#include <string>

#include "base/error.h"
#include "base/fd.h"

namespace godwit::storage {

class NewFile {
 public:
  enum class Kind { kUnnamed, kNamed };

  // Mode 0600, open for reading and writing. `mark` tells concurrent files apart.
  static Result<NewFile> In(const std::string& directory, const std::string& mark,
                            Kind kind = Kind::kUnnamed);
  ~NewFile();
  NewFile(NewFile&& other) noexcept;
  NewFile& operator=(NewFile&&) = delete;
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  int get() const { return fd_.get(); }
  // Gives it the name `path`, on the same file system, in place of whatever has that name.
  Result<> PublishAs(const std::string& path);

  static void RemoveParts(const std::string& directory);

 private:
  NewFile(Fd fd, std::string part, bool named);

  Fd fd_;
  std::string part_;
  bool named_;  // part_ exists
};

// Syncs the directory: names that were given in it survive a power cut from now on.
Result<> SyncDirectory(const std::string& path);

}  // namespace godwit::storage
