#pragma once

// The tree of a function's temporary files, into an image and back.
//
// ListTree() notes what is there, a TreeReader yields the content of what was noted, a TreeWriter
// makes it anew: regular files with their holes, directories, symbolic links, FIFOs, hard links;
// bytes of names, all permission bits, times of modification. Sockets are left out: CRIU makes
// those that are in use again. The files belong to a function, which is not trusted: see descent.h,
// and no file of its is mapped. Threads: one at a time; the processes stand still or are gone.
// Failure: kUnsupported for what is not carried, kBusy for what changed while it was read, else by
// errno; each names the place.
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "checkpoint/descent.h"
#include "checkpoint/manifest.h"

namespace godwit::checkpoint {

// Adds all that is in the directory `top` to the entries.
Result<> ListTree(const std::string& top, std::vector<ImageEntry>& entries);

// The content of the files among `entries`, one after the other.
class TreeReader {
 public:
  // `entries` outlives it.
  static Result<TreeReader> Begin(const std::string& top, const std::vector<ImageEntry>& entries);

  // Of all files together.
  uint64_t bytes() const;
  // Fills `into` with what comes next; there must be as much.
  Result<> Read(std::span<char> into);

 private:
  TreeReader(Descent place, const std::vector<ImageEntry>& entries)
      : place_(std::move(place)), entries_(&entries) {}
  Result<> NextFile();
  Result<> CheckUnchanged() const;

  Descent place_;
  const std::vector<ImageEntry>* entries_;
  const ImageEntry* entry_ = nullptr;  // whose content is read
  size_t next_ = 0;                    // the entry after it
  size_t extent_ = 0;                  // the next of its extents
  Fd file_;
  uint64_t at_ = 0;    // in the file
  uint64_t left_ = 0;  // of the extent
};

class TreeWriter {
 public:
  // Makes things in the directory `top`, which must be empty, and gives them to `uid`.
  static Result<TreeWriter> Begin(const std::string& top, uint32_t uid,
                                  const std::vector<ImageEntry>& entries);

  // Makes the next entry. Of a file the content must be written before the next one is added.
  Result<> Add(const ImageEntry& entry);
  // Writes what comes next of the entry's stored bytes.
  Result<> Write(std::string_view bytes);
  // Completes the last file, and tidies.
  Result<> Finish();

 private:
  TreeWriter(Descent place, uint32_t uid) : place_(std::move(place)), uid_(uid) {}
  Result<> Make(const ImageEntry& entry);
  Result<> MakeFile(const ImageEntry& entry);
  Result<> MakeLink(const ImageEntry& entry);
  Result<> MakeFifo(const ImageEntry& entry);
  Result<> CloseFile();
  Result<> GiveAway(int fd, const ImageEntry& entry, const std::string& where) const;
  Result<> Remember(const ImageEntry& entry);
  Result<> MakeAgain(const ImageEntry& entry);

  Descent place_;
  uint32_t uid_;
  uint32_t added_ = 0;
  std::vector<const ImageEntry*> open_;  // directories, outermost first
  const ImageEntry* entry_ = nullptr;    // the file that is being written
  Fd file_;
  size_t extent_ = 0;                   // that is being written
  uint64_t written_ = 0;                // of the extent
  std::map<uint32_t, uint32_t> again_;  // entries with further names: how many are still to come
  Fd shelf_;  // a directory of our own with a name for each of those, so that none is looked for
  std::string shelf_name_;
};

}  // namespace godwit::checkpoint
