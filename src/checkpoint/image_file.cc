#include "checkpoint/image_file.h"

#include <fcntl.h>

#include <cstring>

#include "base/fd.h"
#include "base/try.h"

namespace godwit::checkpoint {
namespace {

constexpr uint32_t kCommonMagic = 0x54564319;
constexpr size_t kLimit = 64 << 20;  // bytes; the files read here are small

uint32_t Word(std::string_view bytes, size_t at) {
  uint32_t word = 0;
  std::memcpy(&word, bytes.data() + at, sizeof word);
  return word;
}

void Append(std::string& bytes, uint32_t word) {
  bytes.append(reinterpret_cast<const char*>(&word), sizeof word);
}

}  // namespace

Result<ImageFile> ParseImageFile(const std::string& name, std::string_view bytes) {
  if (bytes.size() < 8 || Word(bytes, 0) != kCommonMagic) {
    return Fail(Code::kCorrupt, "'{}' is no CRIU image", name);
  }
  ImageFile file;
  file.magic = Word(bytes, 4);
  for (size_t at = 8; at < bytes.size();) {
    if (bytes.size() - at < 4 || bytes.size() - at - 4 < Word(bytes, at)) {
      return Fail(Code::kCorrupt, "'{}' ends in the middle of an entry", name);
    }
    const size_t size = Word(bytes, at);
    file.entries.emplace_back(bytes.substr(at + 4, size));
    at += 4 + size;
  }
  return file;
}

Result<size_t> EndOfFirstEntry(const std::string& name, std::string_view bytes) {
  if (bytes.size() < 12 || bytes.size() - 12 < Word(bytes, 8))
    return Fail(Code::kCorrupt, "'{}' ends before its first entry does", name);
  return 12 + size_t{Word(bytes, 8)};
}

std::string FormatImageFile(const ImageFile& file) {
  std::string bytes;
  Append(bytes, kCommonMagic);
  Append(bytes, file.magic);
  for (const auto& entry : file.entries) {
    Append(bytes, static_cast<uint32_t>(entry.size()));
    bytes += entry;
  }
  return bytes;
}

Result<ImageFile> ReadImageFile(const std::string& path) {
  GODWIT_TRY(const Fd fd, Open(path, O_RDONLY));
  GODWIT_TRY(const std::string bytes, ReadAll(fd.get(), kLimit).Within("cannot read '{}'", path));
  return ParseImageFile(path, bytes);
}

Result<> WriteImageFile(const std::string& path, const ImageFile& file) {
  GODWIT_TRY(const Fd fd, Open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600));
  return WriteAll(fd.get(), FormatImageFile(file)).Within("cannot write '{}'", path);
}

}  // namespace godwit::checkpoint
