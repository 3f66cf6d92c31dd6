#include "http/head_scan.h"

namespace godwit::http {

Result<size_t> HeadScan::Find(std::string_view bytes) {
  while (true) {
    const size_t end = bytes.find('\n', seen_);
    if (end == bytes.npos) {
      seen_ = bytes.size();
      return 0;
    }
    if (end == 0 || bytes[end - 1] != '\r')
      return Fail(Code::kInvalid, "a line ends with a bare LF");
    if (end >= 3 && bytes[end - 2] == '\n') return end + 1;
    if (end + 1 == bytes.size()) {
      seen_ = end;  // once more, when the next line's first byte is there
      return 0;
    }
    if (bytes[end + 1] == ' ' || bytes[end + 1] == '\t') {
      return Fail(Code::kInvalid, "a header is folded over two lines");
    }
    seen_ = end + 1;
  }
}

}  // namespace godwit::http
