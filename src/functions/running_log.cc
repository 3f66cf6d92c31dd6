#include "functions/running_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <utility>

#include "base/fd.h"

namespace godwit::functions {

namespace {

constexpr size_t kAtOnce = 64 << 10;  // as much as a pipe holds
// After as much as that: 32 MB/s are enough for any log, and leave the loop to the others.
constexpr auto kPause = std::chrono::milliseconds(2);
// A function may make its pipe hold up to 1 MB (fs.pipe-max-size).
constexpr int kMostRounds = 16;
// A line without an end is copied in parts of so many bytes, or when somebody looks.
constexpr size_t kLongLine = 16 << 10;

}  // namespace

struct RunningLog::Copying : std::enable_shared_from_this<Copying> {
  Copying(const boost::asio::any_io_executor& executor, const std::string& directory,
          FunctionLogs& all_logs, std::string name)
      : file_path(directory + "/log/output.log"),
        pipe_path(directory + "/run/log"),
        logs(all_logs),
        function(std::move(name)),
        pipe(executor),
        pause(executor) {}

  void Wait() {
    pipe.async_wait(boost::asio::posix::descriptor_base::wait_read,
                    [weak = weak_from_this()](const boost::system::error_code& failed) {
                      const auto self = weak.lock();
                      if (failed || !self || !self->pipe.is_open()) return;
                      if (self->CopySome() == kAtOnce) return self->Pause();
                      self->Wait();
                    });
  }

  void Pause() {
    pause.expires_after(kPause);
    pause.async_wait([weak = weak_from_this()](const boost::system::error_code& failed) {
      const auto self = weak.lock();
      if (!failed && self && self->pipe.is_open()) self->Wait();
    });
  }

  // How many bytes there were.
  size_t CopySome() {
    std::array<char, kAtOnce> some;
    const ssize_t count = ::read(pipe.native_handle(), some.data(), some.size());
    if (count <= 0) return 0;
    const auto size = static_cast<size_t>(count);
    static_cast<void>(WriteAll(file.get(), {some.data(), size}));
    if (Size() > kMaxBytes) Trim();
    Tell({some.data(), size});
    return size;
  }

  // The log of the function gets whole lines, for other instances write to it as well.
  void Tell(std::string_view text) {
    const size_t whole = text.rfind('\n') + 1;  // 0: no line ends in it
    if (whole > 0 && line.empty()) {
      shared->Append(this, text.substr(0, whole));
    } else if (whole > 0) {
      line += text.substr(0, whole);
      EndLine();
    }
    line += text.substr(whole);
    if (line.size() > kLongLine) EndLine();
  }

  void EndLine() {
    if (!line.empty() && shared) shared->Append(this, line);
    line.clear();
  }

  void CopyWhatIsThere() {
    for (int round = 0; pipe.is_open() && round < kMostRounds && CopySome() > 0; ++round) {
    }
  }

  uint64_t Size() const {
    struct stat st = {};
    const int failed = file ? ::fstat(file.get(), &st) : ::stat(file_path.c_str(), &st);
    return failed == 0 ? static_cast<uint64_t>(st.st_size) : 0;
  }

  std::string Read(uint64_t from, uint64_t end) const {
    if (from >= end) return "";
    Fd opened;
    if (!file) {
      if (auto fd = Open(file_path, O_RDONLY)) opened = *std::move(fd);
    }
    std::string text(end - from, '\0');
    const ssize_t n = ::pread(file ? file.get() : opened.get(), text.data(), text.size(),
                              static_cast<off_t>(from));
    text.resize(n > 0 ? static_cast<size_t>(n) : 0);
    return text;
  }

  void Trim() {
    const uint64_t size = Size();
    const std::string newest = Read(size - kKeptBytes, size);
    if (::ftruncate(file.get(), 0) != 0) return;
    static_cast<void>(WriteAll(file.get(), newest));
    trimmed_bytes += size - newest.size();
    was_trimmed = true;
  }

  const std::string file_path;
  const std::string pipe_path;
  FunctionLogs& logs;
  const std::string function;
  std::shared_ptr<FunctionLog> shared;         // while it listens
  std::string line;                            // the last one, not ended yet and not in `shared`
  boost::asio::posix::stream_descriptor pipe;  // open while it listens
  boost::asio::steady_timer pause;
  Fd file;                     // open while it listens
  uint64_t trimmed_bytes = 0;  // of them that this process knows of
  bool was_trimmed = false;
};

RunningLog::RunningLog(boost::asio::any_io_executor executor, const std::string& directory,
                       FunctionLogs& logs, std::string function)
    : copying_(std::make_shared<Copying>(executor, directory, logs, std::move(function))) {}

RunningLog::~RunningLog() = default;

void RunningLog::Listen() {
  if (copying_->pipe.is_open()) return;
  auto file = Open(copying_->file_path, O_RDWR | O_APPEND | O_CREAT, 0600);
  // For writing too: it never ends, and the function never finds nobody at the other end.
  auto pipe = Open(copying_->pipe_path, O_RDWR | O_NONBLOCK);
  boost::system::error_code failed;
  if (!file || !pipe) return;
  copying_->pipe.assign(pipe->get(), failed);
  if (failed) return;
  static_cast<void>(pipe->Release());
  copying_->file = *std::move(file);
  copying_->shared = copying_->logs.Of(copying_->function);
  copying_->Wait();
}

void RunningLog::Rest() {
  Flush();
  boost::system::error_code ignored;
  copying_->pipe.close(ignored);
  copying_->pause.cancel();
  copying_->file.Close();
  copying_->shared.reset();
}

void RunningLog::Flush() {
  copying_->CopyWhatIsThere();
  copying_->EndLine();
}

void RunningLog::Note(std::string_view lines) {
  Flush();
  // Not one of the function's: what it has left unfinished is ended.
  copying_->logs.Of(copying_->function)->Append(nullptr, lines);
}

uint64_t RunningLog::size() const {
  copying_->CopyWhatIsThere();
  return copying_->trimmed_bytes + copying_->Size();
}

std::string RunningLog::Tail(uint64_t from, size_t limit) const {
  copying_->CopyWhatIsThere();
  const uint64_t end = copying_->Size();
  const uint64_t trimmed = copying_->trimmed_bytes;
  from = from > trimmed ? std::min(from - trimmed, end) : 0;
  return copying_->Read(std::max(from, end > limit ? end - limit : 0), end);
}

bool RunningLog::WasTrimmed() { return std::exchange(copying_->was_trimmed, false); }

}  // namespace godwit::functions
