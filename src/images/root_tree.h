#pragma once

// A root file system that is being unpacked: every name is resolved inside it, whatever links it
// holds.
//
// Names come from a stranger's tar. A link on the way is followed as it would be by a process whose
// root this is (openat2(2), RESOLVE_IN_ROOT), so none leads out; the last step of a name is never
// followed. Threads: one. Failure: kInvalid for names that no file can have, kNoSpace and the like
// for what is wrong here.
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/fd.h"

namespace godwit::images {

class RootTree {
 public:
  // `directory` is there and empty, or was filled by an earlier RootTree.
  static Result<RootTree> Open(const std::string& directory);

  // The directory that holds `path` (plain: "a/b", no ".."), made with those above it; and the last
  // step of the path.
  struct Place {
    Fd parent;
    std::string name;
  };
  Result<Place> Reach(std::string_view path);
  // The same without making anything; a place without a parent if there is none.
  Result<Place> Find(std::string_view path) const;

  // A real directory, in place of whatever else has that name.
  static Result<> MakeDirectory(const Place& place, unsigned mode);
  // Removes what has that name, with all in it.
  static Result<> Remove(const Place& place);
  // 0 if there is nothing; else the type bits of stat(2)'s st_mode.
  static unsigned TypeOf(const Place& place);

 private:
  explicit RootTree(Fd root) : root_(std::move(root)) {}
  Result<Fd> Directory(std::string_view path) const;

  Fd root_;
};

}  // namespace godwit::images
