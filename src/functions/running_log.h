#pragma once

// The log of one instance: what its function writes to standard output and error.
//
// The function has the writing end of a FIFO and nothing else, so nothing it does can take room on
// the disk; the node copies what comes into a file of its own, of which it keeps the newest part,
// and line by line into the log of the function (function_log.h). A function that writes faster
// than that is copied waits for it, as for any pipe. The file survives suspension, a restart of the
// node and a reboot (docs/adr/0009). Threads: the loop; the calls are
// short. Failure: what cannot be read is empty, and what cannot be kept is dropped: the function
// goes on.
#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "functions/function_log.h"

namespace godwit::functions {

class RunningLog {
 public:
  static constexpr uint64_t kMaxBytes = 4 << 20;
  static constexpr uint64_t kKeptBytes = 1 << 20;  // of the newest, when it is trimmed

  // `instance_directory` may come into being later; `logs` outlives this.
  RunningLog(boost::asio::any_io_executor executor, std::string instance_directory,
             FunctionLogs& logs, std::string function);
  ~RunningLog();
  RunningLog(const RunningLog&) = delete;
  RunningLog& operator=(const RunningLog&) = delete;

  // Takes what the function writes from now on; the walls stand. Needless a second time.
  void Listen();
  // Takes what is left and holds nothing open any more: no process writes.
  void Rest();

  // Copies all that has been written, a last line without its end too.
  void Flush();
  // A line of the platform's own, for the log of the function alone.
  void Note(std::string_view lines);

  // How far it has come: what was trimmed counts.
  uint64_t size() const;
  // The last `limit` bytes of what was written since `from`, a size().
  std::string Tail(uint64_t from, size_t limit) const;
  // Whether it has grown too long and lost its beginning, since this was last asked.
  bool WasTrimmed();

 private:
  struct Copying;
  uint64_t FileSize() const;
  std::string Read(uint64_t from, uint64_t end) const;

  boost::asio::any_io_executor executor_;
  const std::string directory_;
  FunctionLogs& logs_;
  const std::string function_;
  std::shared_ptr<Copying> copying_;  // while it listens: of ten thousand who are away, none has it
  uint64_t trimmed_bytes_ = 0;        // of them that this process knows of
  bool was_trimmed_ = false;
};

}  // namespace godwit::functions
