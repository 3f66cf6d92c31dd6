#pragma once

// Names inside an archive: which may be used below a directory, and how one is shown.
//
// Threads: any. Failure: kInvalid, saying what is wrong with the name but not which it was.
#include <string>
#include <string_view>

#include "base/error.h"

namespace godwit::storage {

// The name in its plain form, "a/b": no empty steps, no ".", no slash at the end; empty for the
// directory itself. Refuses absolute names, "..", and more than `limit` bytes.
Result<std::string> CleanEntryPath(std::string_view name, size_t limit);

// Refuses a link at the plain path `from` whose target, read step by step, leaves the directory.
// Links on the way are not followed: that is for who has the real directory.
Result<> CheckLinkTarget(std::string_view from, std::string_view target);

// For an error text: quotes nothing, but makes control and foreign bytes visible, and cuts.
std::string ShownEntry(std::string_view name);

}  // namespace godwit::storage
