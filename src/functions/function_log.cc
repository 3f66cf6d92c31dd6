#include "functions/function_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <vector>

namespace godwit::functions {
namespace {

namespace fs = std::filesystem;

struct Segment {
  uint64_t begins = 0;
  uint64_t bytes = 0;
  std::string path;
};

std::string PathOf(const std::string& directory, uint64_t begins) {
  return fmt::format("{}/{:020}.log", directory, begins);
}

// The oldest first.
std::vector<Segment> SegmentsIn(const std::string& directory) {
  std::vector<Segment> segments;
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename();
    Segment segment;
    const char* const last = name.data() + name.size();
    const auto [rest, wrong] = std::from_chars(name.data(), last, segment.begins);
    if (wrong != std::errc() || std::string_view(rest, last) != ".log") continue;
    segment.path = it->path();
    struct stat st = {};
    if (::stat(segment.path.c_str(), &st) != 0) continue;  // it went just now
    segment.bytes = static_cast<uint64_t>(st.st_size);
    segments.push_back(std::move(segment));
  }
  std::ranges::sort(segments, {}, &Segment::begins);
  return segments;
}

// At most `limit` bytes of a file, from `from` on.
std::string Part(const std::string& path, uint64_t from, size_t limit) {
  const Result<Fd> file = Open(path, O_RDONLY);
  if (!file) return "";
  std::string text(limit, '\0');
  const ssize_t n = ::pread(file->get(), text.data(), text.size(), static_cast<off_t>(from));
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return text;
}

}  // namespace

bool FunctionLog::OpenNewest() {
  if (file_) return true;
  std::error_code error;
  fs::create_directories(directory_, error);
  const auto segments = SegmentsIn(directory_);
  begins_ = segments.empty() ? 0 : segments.back().begins;
  bytes_ = segments.empty() ? 0 : segments.back().bytes;
  auto file = Open(PathOf(directory_, begins_), O_RDWR | O_APPEND | O_CREAT, 0600);
  if (!file) return false;
  char last = '\n';
  if (bytes_ > 0) static_cast<void>(::pread(file->get(), &last, 1, static_cast<off_t>(bytes_ - 1)));
  unfinished_ = last != '\n';
  last_writer_ = nullptr;
  file_ = *std::move(file);
  return true;
}

// A new file, and the oldest goes.
void FunctionLog::Begin() {
  auto file = Open(PathOf(directory_, begins_ + bytes_), O_WRONLY | O_APPEND | O_CREAT, 0600);
  if (!file) return;  // the old one grows on; the next line tries again
  file_ = *std::move(file);
  begins_ += bytes_;
  bytes_ = 0;
  const auto segments = SegmentsIn(directory_);
  for (size_t i = 0; i + kSegments < segments.size(); ++i) ::unlink(segments[i].path.c_str());
}

void FunctionLog::Append(const void* writer, std::string_view text) {
  if (text.empty() || !OpenNewest()) return;
  if (bytes_ >= kSegmentBytes) Begin();
  std::string apart;
  if (unfinished_ && (writer != last_writer_ || writer == nullptr)) {
    apart = "\n" + std::string(text);
    text = apart;
  }
  last_writer_ = writer;
  unfinished_ = !text.ends_with('\n');
  if (WriteAll(file_.get(), text)) {
    bytes_ += text.size();
  } else {
    file_.Close();  // how far it came is seen when it is opened again
  }
}

std::shared_ptr<FunctionLog> FunctionLogs::Of(const std::string& function) {
  auto& known = logs_[function];
  auto log = known.lock();
  if (log) return log;
  log = std::make_shared<FunctionLog>(directory_ + "/" + function);
  known = log;
  if (logs_.size() > tidy_at_) {
    std::erase_if(logs_, [](const auto& entry) { return entry.second.expired(); });
    tidy_at_ = 2 * logs_.size() + 64;
  }
  return log;
}

LogText ReadLog(const std::string& directory, const std::string& function, const LogRange& asked) {
  const auto segments = SegmentsIn(directory + "/" + function);
  LogText read;
  if (segments.empty()) return read;
  const uint64_t first = segments.front().begins;
  const uint64_t end = segments.back().begins + segments.back().bytes;
  // A place behind the end is one of another log, which was here before.
  uint64_t from = asked.after && *asked.after <= end ? *asked.after : first;
  if (!asked.after && end - first > asked.bytes) from = end - asked.bytes;
  read.next = from;
  for (const auto& segment : segments) {
    if (segment.begins + segment.bytes <= read.next) continue;
    if (read.text.size() >= asked.bytes) break;
    if (segment.begins > read.next) {
      read.skipped += segment.begins - read.next;
      read.next = segment.begins;
    }
    const uint64_t inside = read.next - segment.begins;
    const std::string part =
        Part(segment.path, inside,
             std::min<uint64_t>(asked.bytes - read.text.size(), segment.bytes - inside));
    read.text += part;
    read.next += part.size();
  }
  return read;
}

}  // namespace godwit::functions
