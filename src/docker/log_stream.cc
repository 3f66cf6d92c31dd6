#include "docker/log_stream.h"

#include <algorithm>
#include <cstring>

namespace godwit::docker {

Result<std::string> LogStream::Feed(std::string_view piece) {
  std::string text;
  while (!piece.empty()) {
    if (left_ > 0) {
      const size_t some = std::min<size_t>(left_, piece.size());
      text += piece.substr(0, some);
      piece.remove_prefix(some);
      left_ -= static_cast<uint32_t>(some);
      continue;
    }
    const size_t some = std::min(header_.size() - header_bytes_, piece.size());
    std::memcpy(header_.data() + header_bytes_, piece.data(), some);
    header_bytes_ += some;
    piece.remove_prefix(some);
    if (header_bytes_ < header_.size()) break;
    header_bytes_ = 0;
    if (header_[0] < 0 || header_[0] > 2 || header_[1] != 0 || header_[2] != 0 || header_[3] != 0)
      return Fail(Code::kCorrupt, "the container's log is not in Docker's stream format");
    for (size_t i = 4; i < header_.size(); ++i)
      left_ = left_ << 8 | static_cast<unsigned char>(header_[i]);
  }
  return text;
}

}  // namespace godwit::docker
