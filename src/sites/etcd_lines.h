#pragma once

// A stream's lines out of its pieces, whatever the cuts.
//
// Threads: one at a time. Failure: kTooLarge for a line beyond the limit; then it is of no more
// use.
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace godwit::sites::etcd {

class Lines {
 public:
  explicit Lines(size_t max_line) : max_line_(max_line) {}

  // The lines that this piece ends, without their ends; empty ones are left out.
  Result<std::vector<std::string>> Feed(std::string_view piece) {
    std::vector<std::string> lines;
    while (!piece.empty()) {
      const size_t end = piece.find('\n');
      const auto part = piece.substr(0, end);
      if (rest_.size() + part.size() > max_line_)
        return Fail(Code::kTooLarge, "a line has more than {} bytes", max_line_);
      rest_ += part;
      if (end == piece.npos) break;
      if (!rest_.empty()) lines.push_back(std::move(rest_));
      rest_.clear();
      piece.remove_prefix(end + 1);
    }
    return lines;
  }

 private:
  size_t max_line_;
  std::string rest_;
};

}  // namespace godwit::sites::etcd
