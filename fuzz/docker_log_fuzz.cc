// Any bytes as the Docker Engine's stream of a container's log: refused, or taken apart into no
// more than they were, however they come in pieces.
#include <string>
#include <string_view>

#include "docker/log_stream.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  godwit::docker::LogStream whole;
  const auto text = whole.Feed(bytes);
  godwit::docker::LogStream pieces;
  std::string joined;
  bool good = true;
  for (size_t at = 0; at < size && good; at += 3) {
    const auto piece = pieces.Feed(bytes.substr(at, 3));
    good = piece.has_value();
    if (good) joined += *piece;
  }
  if (good != text.has_value() || (good && joined != *text) || joined.size() > size)
    __builtin_trap();
  return 0;
}
