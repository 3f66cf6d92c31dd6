// Any bytes as an image's tar, as one of its layers and as each of its documents: refused, or
// unpacked without anything outside its directory.
#include <filesystem>
#include <string>
#include <string_view>

#include "images/image_file.h"
#include "images/test_tar.h"
#include "storage/test_directory.h"

namespace {

namespace fs = std::filesystem;
using namespace godwit::images;
using godwit::storage::TestDirectory;
using godwit::storage::WriteFile;

constexpr UnpackLimits kLimits{.bytes = 1'000'000, .entries = 100, .path_bytes = 200};

void Must(bool holds) {
  if (!holds) __builtin_trap();
}

// Nothing but `root` has come into being beside what was there, and all in it is harmless.
void Check(const std::string& root) {
  uint64_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    const auto status = entry.symlink_status();
    Must(fs::is_regular_file(status) || fs::is_directory(status) || fs::is_symlink(status));
    if (fs::is_symlink(status)) continue;
    Must((status.permissions() & (fs::perms::set_uid | fs::perms::set_gid)) == fs::perms::none);
    if (fs::is_regular_file(status) && entry.hard_link_count() == 1) bytes += entry.file_size();
  }
  Must(bytes <= kLimits.bytes);
}

void Import(const TestDirectory& home, const std::string& tar) {
  WriteFile(home / "tar", tar);
  fs::create_directory(home / "work");
  const auto image =
      ImportImage(home / "tar", home / "work", [&](const std::string&) { return home / "root"; },
                  {.unpacked = kLimits, .parts = 50});
  Must(!fs::exists(home / "work") && fs::exists(home / "root") == image.has_value());
  for (const auto& entry : fs::directory_iterator(home.path()))
    Must(entry.path() == home / "tar" || entry.path() == home / "root");
  if (!image) return;
  Check(home / "root");
  fs::remove_all(home / "root");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size) {
  // In memory: a disk would be busy with nothing but these directories.
  static const TestDirectory home("/dev/shm");
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  Import(home, bytes);
  // The same as a layer of an image that is right otherwise.
  Import(home, MakeSaved({MakeTar({{"usr/bin/x", "x"}, {"lib", "", '2', 0777, "/usr"}}), bytes}));
  static_cast<void>(ParseIndex(bytes));
  static_cast<void>(ParseManifest(bytes));
  static_cast<void>(ParseSavedManifest(bytes));
  static_cast<void>(ParseImage(bytes, OwnArchitecture()));
  return 0;
}
