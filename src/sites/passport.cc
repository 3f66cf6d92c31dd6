#include "sites/passport.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/try.h"

namespace godwit::sites {
namespace {

constexpr size_t kMostNotes = 64 << 10;  // bytes
constexpr size_t kMostHeaders = 256;
constexpr size_t kMostFiles = 1000;

// "flags" on x86, "Features" on Arm.
std::string ProcessorFlags() {
  std::ifstream file("/proc/cpuinfo");
  std::string flags;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("flags") && !line.starts_with("Features")) continue;
    flags = line.substr(std::min(line.find(':') + 1, line.size()));
    break;
  }
#ifdef GODWIT_FAULTS
  // A test's narrower machine: flags that it is to lack.
  if (const char* mask = std::getenv("GODWIT_CPU_LACKS"); mask != nullptr) {
    std::istringstream all(flags);
    const std::string lacks = std::string(" ") + mask + " ";
    flags.clear();
    for (std::string flag; all >> flag;) {
      if (!lacks.contains(" " + flag + " ")) flags += " " + flag;
    }
  }
#endif
  return flags;
}

std::vector<int> Numbers(std::string_view version) {
  std::vector<int> numbers;
  while (!version.empty() && numbers.size() < 3) {
    int number = 0;
    const auto [rest, error] =
        std::from_chars(version.data(), version.data() + version.size(), number);
    if (error != std::errc()) break;
    numbers.push_back(number);
    version.remove_prefix(static_cast<size_t>(rest - version.data()));
    if (!version.starts_with('.')) break;
    version.remove_prefix(1);
  }
  return numbers;
}

using Lines = std::map<std::string, std::string, std::less<>>;

// "key value"; of files "file PATH" is the key.
Lines Parse(std::string_view text) {
  Lines lines;
  std::istringstream all{std::string(text)};
  for (std::string line; std::getline(all, line) && lines.size() < kMostFiles;) {
    const size_t from = line.starts_with("file ") ? 5 : 0;
    const size_t blank = line.find(' ', from);
    if (blank == std::string::npos) continue;
    lines[line.substr(0, blank)] = line.substr(blank + 1);
  }
  return lines;
}

std::string Get(const Lines& lines, std::string_view key) {
  const auto found = lines.find(key);
  return found == lines.end() ? "" : found->second;
}

Result<> CheckFlags(const std::string& wanted, const std::string& own) {
  std::istringstream mine(own);
  const std::set<std::string> have(std::istream_iterator<std::string>(mine), {});
  std::istringstream theirs(wanted);
  std::string missing;
  for (std::string flag; theirs >> flag;) {
    if (!have.contains(flag)) missing += (missing.empty() ? "" : ", ") + flag;
  }
  if (missing.empty()) return {};
  return Fail(Code::kUnsupported,
              "the processor there cannot do what the image may use: {} (send it to one that can)",
              missing);
}

Result<> CheckFile(const std::string& path, const std::string& wanted) {
  if (path.contains("..") || !path.starts_with("/usr/"))
    return Fail(Code::kInvalid, "'{}' is no file of a sandbox", path);
  const std::string here = BuildId(path);
  if (here == wanted) return {};
  if (here.empty()) {
    return Fail(Code::kUnsupported, "'{}' is not there (install the same package on both nodes)",
                path);
  }
  return Fail(Code::kUnsupported,
              "'{}' is another build there (upgrade both nodes to the same packages)", path);
}

}  // namespace

std::string BuildId(const std::string& path) {
  const Result<Fd> file = Open(path, O_RDONLY);
  if (!file) return "";
  Elf64_Ehdr head = {};
  const auto read = [&](void* into, size_t bytes, uint64_t at) {
    return ::pread(file->get(), into, bytes, static_cast<off_t>(at)) == static_cast<ssize_t>(bytes);
  };
  if (!read(&head, sizeof head, 0) || std::memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
      head.e_ident[EI_CLASS] != ELFCLASS64 || head.e_phentsize != sizeof(Elf64_Phdr) ||
      head.e_phnum > kMostHeaders)
    return "-";
  for (size_t i = 0; i < head.e_phnum; ++i) {
    Elf64_Phdr part = {};
    if (!read(&part, sizeof part, head.e_phoff + i * sizeof part)) return "-";
    if (part.p_type != PT_NOTE || part.p_filesz > kMostNotes) continue;
    std::string notes(part.p_filesz, '\0');
    if (!read(notes.data(), notes.size(), part.p_offset)) return "-";
    std::string_view left = notes;
    while (left.size() >= sizeof(Elf64_Nhdr)) {
      Elf64_Nhdr note = {};
      std::memcpy(&note, left.data(), sizeof note);
      const auto padded = [](uint64_t bytes) { return (bytes + 3) & ~uint64_t{3}; };
      const uint64_t name = padded(note.n_namesz);
      const uint64_t all = sizeof note + name + padded(note.n_descsz);
      if (all > left.size()) break;
      if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
          left.substr(sizeof note, 3) == "GNU")
        return ToHex(left.substr(sizeof note + name, note.n_descsz));
      left.remove_prefix(all);
    }
  }
  return "-";
}

std::string MachinePassport(const std::string& runtimes, const std::string& criu) {
  utsname kernel = {};
  ::uname(&kernel);
  return fmt::format("machine {}\nkernel {}\ncriu {}\nruntimes {}\nflags {}\n", kernel.machine,
                     kernel.release, criu, runtimes, ProcessorFlags());
}

std::string FilesOf(const std::vector<int>& pids) {
  std::set<std::string> paths;
  for (const int pid : pids) {
    std::ifstream maps(fmt::format("/proc/{}/maps", pid));
    for (std::string line; std::getline(maps, line);) {
      const size_t path = line.find(" /usr/");
      if (path != std::string::npos && !line.contains(" (deleted)"))
        paths.insert(line.substr(path + 1));
    }
  }
  std::string lines;
  for (const std::string& path : paths) {
    const std::string id = BuildId(path);
    if (!id.empty() && id != "-" && !path.contains(' '))
      lines += fmt::format("file {} {}\n", path, id);
  }
  return lines;
}

Result<> CheckPassport(std::string_view wanted, std::string_view own) {
  const Lines theirs = Parse(wanted);
  const Lines mine = Parse(own);
  if (Get(theirs, "machine") != Get(mine, "machine")) {
    return Fail(Code::kUnsupported, "it is of a {}, and the node there is a {}",
                Get(theirs, "machine"), Get(mine, "machine"));
  }
  const auto not_older = [&](std::string_view what, std::string_view name) -> Result<> {
    if (Numbers(Get(mine, what)) >= Numbers(Get(theirs, what))) return {};
    return Fail(Code::kUnsupported, "the {} there is {}, older than the image's {} (upgrade it)",
                name, Get(mine, what), Get(theirs, what));
  };
  GODWIT_TRY(not_older("kernel", "kernel"));
  GODWIT_TRY(not_older("criu", "CRIU"));
  if (Get(theirs, "runtimes") != Get(mine, "runtimes")) {
    return Fail(Code::kUnsupported,
                "the node there has another Godwit with other runtimes (upgrade both to the same)");
  }
  GODWIT_TRY(CheckFlags(Get(theirs, "flags"), Get(mine, "flags")));
  for (const auto& [key, id] : theirs) {
    if (key.starts_with("file ")) GODWIT_TRY(CheckFile(key.substr(5), id));
  }
  return {};
}

}  // namespace godwit::sites
