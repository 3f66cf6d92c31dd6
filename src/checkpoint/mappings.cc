#include "checkpoint/mappings.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

#include "base/fd.h"
#include "base/try.h"
#include "checkpoint/page_source.h"

namespace godwit::checkpoint {
namespace {

constexpr size_t kMostText = 256ULL << 20;  // of smaps: some 700 bytes a mapping
constexpr uint64_t kPresent = 1ULL << 63;
constexpr uint64_t kSwapped = 1ULL << 62;
constexpr uint64_t kOfFile = 1ULL << 61;  // or shared
// What was changed of a file's memory is replaced if the whole is not larger than that many times.
constexpr uint64_t kMostReplaced = 4;
constexpr uint64_t kFewPages = 16 * kPage;

// Locked, huge, of a device, shared with a pager already, or to be empty in a child.
constexpr auto kSpecial = std::to_array<std::string_view>(
    {"lo", "ht", "io", "pf", "mm", "um", "uw", "ui", "wf", "sh", "ss", "dp"});

uint64_t Hex(std::string_view text) {
  uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return value;
}

std::string_view NextWord(std::string_view& line) {
  const size_t from = std::min(line.find_first_not_of(' '), line.size());
  line.remove_prefix(from);
  const size_t length = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, length);
  line.remove_prefix(length);
  return word;
}

int Protection(std::string_view permissions) {
  int protection = PROT_NONE;
  if (permissions.contains('r')) protection |= PROT_READ;
  if (permissions.contains('w')) protection |= PROT_WRITE;
  if (permissions.contains('x')) protection |= PROT_EXEC;
  return protection;
}

// "START-END PERMISSIONS OFFSET DEVICE INODE NAME"; false for a line of a mapping's facts.
bool ParseHead(std::string_view line, Mapping& mapping) {
  const std::string_view range = NextWord(line);
  const size_t dash = range.find('-');
  if (dash == std::string_view::npos || range.ends_with(':')) return false;
  const std::string_view permissions = NextWord(line);
  mapping = {Hex(range.substr(0, dash)), Hex(range.substr(dash + 1)), Mapping::Kind::kOther,
             Protection(permissions)};
  NextWord(line);
  NextWord(line);
  const std::string_view inode = NextWord(line);
  const std::string_view name = NextWord(line);
  if (permissions.size() != 4 || permissions[3] != 'p') return true;
  if (inode != "0") {
    mapping.kind = Mapping::Kind::kFile;
  } else if (name.empty() || name == "[heap]" || name == "[stack]" || name.starts_with("[anon")) {
    mapping.kind = Mapping::Kind::kAnonymous;
  }
  return true;
}

}  // namespace

std::vector<Mapping> ParseMappings(std::string_view smaps) {
  std::vector<Mapping> mappings;
  while (!smaps.empty()) {
    const size_t end = std::min(smaps.find('\n'), smaps.size());
    std::string_view line = smaps.substr(0, end);
    smaps.remove_prefix(std::min(end + 1, smaps.size()));
    Mapping mapping;
    if (ParseHead(line, mapping)) {
      mappings.push_back(mapping);
    } else if (line.starts_with("VmFlags:") && !mappings.empty()) {
      line.remove_prefix(sizeof "VmFlags:" - 1);
      for (auto flag = NextWord(line); !flag.empty(); flag = NextWord(line)) {
        if (std::ranges::find(kSpecial, flag) != kSpecial.end())
          mappings.back().kind = Mapping::Kind::kOther;
      }
    }
  }
  return mappings;
}

Result<std::vector<Mapping>> ReadMappings(int pid) {
  GODWIT_TRY(const Fd file, Open(fmt::format("/proc/{}/smaps", pid), O_RDONLY));
  GODWIT_TRY(const std::string text, ReadAll(file.get(), kMostText));
  return ParseMappings(text);
}

Result<std::vector<Run>> ResidentRuns(int pid, const Mapping& mapping, bool anonymous) {
  GODWIT_TRY(const Fd file, Open(fmt::format("/proc/{}/pagemap", pid), O_RDONLY));
  std::vector<Run> runs;
  std::array<uint64_t, 4096> entries;
  for (uint64_t address = mapping.start; address < mapping.end;) {
    const uint64_t wanted = std::min<uint64_t>((mapping.end - address) / kPage, entries.size());
    const ssize_t got = ::pread(file.get(), entries.data(), wanted * sizeof(uint64_t),
                                static_cast<off_t>(address / kPage * sizeof(uint64_t)));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return FailErrno(errno, "cannot read which pages of process {} are there", pid);
    for (size_t i = 0; i < static_cast<size_t>(got) / sizeof(uint64_t); ++i, address += kPage) {
      const bool there = (entries[i] & (kPresent | kSwapped)) != 0;
      if (!there || ((entries[i] & kOfFile) == 0) != anonymous) continue;
      if (!runs.empty() && runs.back().address + runs.back().bytes == address) {
        runs.back().bytes += kPage;
      } else {
        runs.push_back({address, kPage});
      }
    }
  }
  return runs;
}

bool MayBeReplaced(const Mapping& mapping, const std::vector<Run>& changed) {
  uint64_t bytes = 0;
  for (const Run& run : changed) bytes += run.bytes;
  return mapping.kind == Mapping::Kind::kFile && bytes > 0 &&
         (mapping.protection & PROT_READ) != 0 && (mapping.protection & PROT_EXEC) == 0 &&
         mapping.bytes() <= kMostReplaced * bytes + kFewPages;
}

}  // namespace godwit::checkpoint
