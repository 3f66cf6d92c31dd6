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
  Copying(RunningLog& log, Fd own_file)
      : owner(log),
        shared(log.logs_.Of(log.function_)),
        pipe(log.executor_),
        pause(log.executor_),
        file(std::move(own_file)) {}

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
    if (owner.FileSize() > kMaxBytes) Trim();
    Tell({some.data(), size});
    return size;
  }

  // The log of the function gets whole lines, for other instances write to it as well.
  void Tell(std::string_view text) {
    const size_t whole = text.rfind('\n') + 1;  // 0: no line ends in it
    if (whole > 0 && line.empty()) {
      shared->Append(&owner, text.substr(0, whole));
    } else if (whole > 0) {
      line += text.substr(0, whole);
      EndLine();
    }
    line += text.substr(whole);
    if (line.size() > kLongLine) EndLine();
  }

  void EndLine() {
    if (!line.empty()) shared->Append(&owner, line);
    line.clear();
  }

  void CopyWhatIsThere() {
    for (int round = 0; pipe.is_open() && round < kMostRounds && CopySome() > 0; ++round) {
    }
  }

  void Trim() {
    const uint64_t size = owner.FileSize();
    const std::string newest = owner.Read(size - kKeptBytes, size);
    if (::ftruncate(file.get(), 0) != 0) return;
    static_cast<void>(WriteAll(file.get(), newest));
    owner.trimmed_bytes_ += size - newest.size();
    owner.was_trimmed_ = true;
  }

  RunningLog& owner;  // which ends it, so that no handler meets it afterwards
  std::shared_ptr<FunctionLog> shared;
  std::string line;  // the last one, not ended yet and not in `shared`
  boost::asio::posix::stream_descriptor pipe;
  boost::asio::steady_timer pause;
  Fd file;
};

RunningLog::RunningLog(boost::asio::any_io_executor executor, std::string directory,
                       FunctionLogs& logs, std::string function)
    : executor_(std::move(executor)),
      directory_(std::move(directory)),
      logs_(logs),
      function_(std::move(function)) {}

RunningLog::~RunningLog() = default;

void RunningLog::Listen() {
  if (copying_) return;
  auto file = Open(directory_ + "/log/output.log", O_RDWR | O_APPEND | O_CREAT, 0600);
  // For writing too: it never ends, and the function never finds nobody at the other end.
  auto pipe = Open(directory_ + "/run/log", O_RDWR | O_NONBLOCK);
  if (!file || !pipe) return;
  auto copying = std::make_shared<Copying>(*this, *std::move(file));
  boost::system::error_code failed;
  copying->pipe.assign(pipe->get(), failed);
  if (failed) return;
  static_cast<void>(pipe->Release());
  copying_ = std::move(copying);
  copying_->Wait();
}

void RunningLog::Rest() {
  Flush();
  copying_.reset();
}

void RunningLog::Flush() {
  if (!copying_) return;
  copying_->CopyWhatIsThere();
  copying_->EndLine();
}

void RunningLog::Note(std::string_view lines) {
  Flush();
  // Not one of the function's: what it has left unfinished is ended.
  logs_.Of(function_)->Append(nullptr, lines);
}

uint64_t RunningLog::FileSize() const {
  struct stat st = {};
  const int failed = copying_ ? ::fstat(copying_->file.get(), &st)
                              : ::stat((directory_ + "/log/output.log").c_str(), &st);
  return failed == 0 ? static_cast<uint64_t>(st.st_size) : 0;
}

std::string RunningLog::Read(uint64_t from, uint64_t end) const {
  if (from >= end) return "";
  Fd opened;
  if (!copying_) {
    if (auto fd = Open(directory_ + "/log/output.log", O_RDONLY)) opened = *std::move(fd);
  }
  std::string text(end - from, '\0');
  const ssize_t n = ::pread(copying_ ? copying_->file.get() : opened.get(), text.data(),
                            text.size(), static_cast<off_t>(from));
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return text;
}

uint64_t RunningLog::size() const {
  if (copying_) copying_->CopyWhatIsThere();
  return trimmed_bytes_ + FileSize();
}

std::string RunningLog::Tail(uint64_t from, size_t limit) const {
  if (copying_) copying_->CopyWhatIsThere();
  const uint64_t end = FileSize();
  from = from > trimmed_bytes_ ? std::min(from - trimmed_bytes_, end) : 0;
  return Read(std::max(from, end > limit ? end - limit : 0), end);
}

bool RunningLog::WasTrimmed() { return std::exchange(was_trimmed_, false); }

}  // namespace godwit::functions
