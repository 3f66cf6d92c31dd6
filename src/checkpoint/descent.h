#pragma once

// Going about in a directory tree that somebody else made, and may still be changing, without being
// led out of it.
//
// It begins at one directory and goes one step at a time, by descriptor: no path is walked, no
// symbolic link followed, no mount point crossed (openat2(2)), so whatever a function puts into its
// /tmp, what is opened lies in there. Only the last few directories are held open, so the tree may
// be as deep as it likes. Threads: one at a time. Failure: by errno, naming where; kBusy if a
// directory was moved away meanwhile.
#include <sys/stat.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

namespace godwit::checkpoint {

class Descent {
 public:
  // Begins in the directory `path`, which errors call `label`.
  static Result<Descent> Begin(const std::string& path, std::string label);

  // The directory that it is in.
  int fd() const { return steps_.back().fd.get(); }
  size_t depth() const { return steps_.size() - 1; }

  // Into the directory `name` of this one, and back out. Leave() needs a depth.
  Result<> Enter(const std::string& name);
  Result<> Leave();

  // What is called `name` in this directory. Links are not followed, and opening does not wait.
  Result<Fd> Open(const std::string& name, int flags, unsigned mode = 0) const;
  Result<struct stat> Look(const std::string& name) const;
  // All that is in this directory, sorted.
  Result<std::vector<std::string>> Names() const;

  // Where `name` is, for people: other than printable ASCII as \xNN, the middle left out if long.
  std::string Where(std::string_view name = {}) const;

 private:
  struct Step {
    std::string name;
    Fd fd;  // none if it was closed for the time being
    dev_t device = 0;
    ino_t inode = 0;
  };
  Result<> Arrive(Fd fd, std::string name);

  std::vector<Step> steps_;
};

// Empties the directory, however deep. What cannot be removed stays.
void EmptyDirectory(const std::string& path);

}  // namespace godwit::checkpoint
