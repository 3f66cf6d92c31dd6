// Any bytes as an uploaded zip: refused whole, or unpacked without anything outside its directory.
#include <filesystem>
#include <string_view>

#include "storage/archive.h"
#include "storage/test_directory.h"

namespace {

namespace fs = std::filesystem;
using godwit::storage::ExtractLimits;
using godwit::storage::ExtractZip;
using godwit::storage::TestDirectory;
using godwit::storage::ZipDirectory;

constexpr ExtractLimits kLimits{.total_bytes = 1'000'000, .entries = 100, .path_bytes = 200};

void Must(bool holds) {
  if (!holds) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size) {
  // In memory: a disk would be busy with nothing but these directories.
  static const TestDirectory directory("/dev/shm");
  const std::string code = directory / "code";
  const bool unpacked =
      ExtractZip({reinterpret_cast<const char*>(data), size}, code, kLimits).has_value();
  size_t beside = 0;
  for (const auto& entry : fs::directory_iterator(directory.path())) {
    Must(entry.path() == code);
    ++beside;
  }
  Must(beside == (unpacked ? 1 : 0));
  if (!unpacked) return 0;
  uint64_t total = 0;
  for (const auto& entry : fs::recursive_directory_iterator(code)) {
    const std::string real = fs::weakly_canonical(entry.path());
    Must(real == code || real.starts_with(code + '/'));
    if (!entry.is_symlink() && entry.is_regular_file()) total += entry.file_size();
  }
  Must(total <= kLimits.total_bytes);
  if (const auto zipped = ZipDirectory(code, kLimits)) {
    Must(ExtractZip(*zipped, code + "-again", kLimits).has_value());
    fs::remove_all(code + "-again");
  }
  fs::remove_all(code);
  return 0;
}
