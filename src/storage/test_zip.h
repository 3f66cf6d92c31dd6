#pragma once

// For tests and fuzzers: a zip file built by hand (APPNOTE.TXT 4.3), with any lie in it.
//
// Entries are stored, not compressed. Threads: values. Failure: none.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace godwit::storage {

struct TestZipEntry {
  std::string name;
  std::string body;
  unsigned mode = 0100644;
  unsigned flags = 0;      // 1: encrypted
  uint32_t crc_error = 0;  // added to the true one
  int size_error = 0;      // added to the true size in both headers
};

inline uint32_t Crc32(std::string_view bytes) {
  uint32_t crc = ~uint32_t{0};
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0xedb88320 & (~(crc & 1) + 1));
  }
  return ~crc;
}

inline std::string MakeZip(const std::vector<TestZipEntry>& entries) {
  const auto append = [](std::string& to, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) to += static_cast<char>(value >> (8 * i));
  };
  std::string zip;
  std::string directory;
  for (const auto& entry : entries) {
    const size_t at = zip.size();
    std::string common;
    append(common, 20, 2);
    append(common, entry.flags, 2);
    append(common, 0, 2);           // stored
    append(common, 0x00210000, 4);  // 1980-01-01
    append(common, Crc32(entry.body) + entry.crc_error, 4);
    for (int i = 0; i < 2; ++i) {
      append(common,
             static_cast<uint64_t>(static_cast<int64_t>(entry.body.size()) + entry.size_error), 4);
    }
    append(common, entry.name.size(), 2);
    append(common, 0, 2);
    zip += "PK\x03\x04" + common + entry.name + entry.body;
    directory += "PK\x01\x02";
    append(directory, 0x0314, 2);  // by Unix
    directory += common;
    append(directory, 0, 6);  // no comment, disk 0, no internal attributes
    append(directory, uint64_t{entry.mode} << 16, 4);
    append(directory, at, 4);
    directory += entry.name;
  }
  const size_t at = zip.size();
  zip += directory;
  zip += "PK\x05\x06";
  append(zip, 0, 4);
  append(zip, entries.size(), 2);
  append(zip, entries.size(), 2);
  append(zip, directory.size(), 4);
  append(zip, at, 4);
  append(zip, 0, 2);
  return zip;
}

}  // namespace godwit::storage
