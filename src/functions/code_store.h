#pragma once

// The code of functions: its zip, kept as a blob, and the directory in which sandboxes find it.
//
// Equal code is kept once, whoever deploys it. What is being taken in cannot be dropped meanwhile,
// and what is being dropped cannot be taken in: both hold the code's turn. A directory is renamed
// away before it is removed, so that there is a whole one or none. Threads: the loop (its work goes
// to the pool); Unpack() blocks and is for start-up. Failure: kInvalid for a zip that will not do,
// with a text for the user; kTooLarge; kNoSpace. What a failure leaves is dropped as unused.
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <map>
#include <string>

#include "base/error.h"
#include "base/turns.h"
#include "functions/workplace.h"

namespace godwit::functions {

struct KeptCode {
  std::string id;      // names the directory
  std::string zip_id;  // names the blob
  std::string sha256;  // base64, of the zip
  uint64_t bytes = 0;  // of the zip
};

class CodeStore {
 public:
  struct Taken {
    KeptCode code;
    Turns::Held held;  // until it says so in the store who uses the code
  };
  enum class Use { kNone, kInstances, kFunctions };

  explicit CodeStore(Workplace& workplace) : work_(workplace), turns_(workplace.executor) {}

  // Keeps a zip and unpacks it. Code that was found damaged is made anew.
  boost::asio::awaitable<Result<Taken>> Take(std::string zip);
  // Makes the directory from the kept zip, if it is not there; kNotFound or kCorrupt if the zip is
  // gone or damaged.
  Result<> Unpack(const std::string& id, const std::string& zip_id);
  boost::asio::awaitable<Result<std::string>> Zip(std::string zip_id);
  // What is not dropped as long as it is held.
  boost::asio::awaitable<Turns::Held> Lend(std::string id) { return turns_.Take(std::move(id)); }

  // This code may be of no use any more: DropUnused() looks.
  void Doubt(std::string id, std::string zip_id);
  bool doubts() const { return !doubted_.empty(); }
  // Drops what is doubted and of no use; what is used by instances alone stays doubted.
  boost::asio::awaitable<void> DropUnused(std::function<Use(const std::string& id)> use);

 private:
  std::string DirectoryOf(const std::string& id) const { return work_.directories.code + "/" + id; }

  Workplace& work_;
  Turns turns_;                                 // by KeptCode::id
  std::map<std::string, std::string> doubted_;  // id, zip_id (empty: there may be none)
  std::map<std::string, std::string> damaged_;  // the same
};

}  // namespace godwit::functions
