#pragma once

// Where a message's head ends, found before any of it is parsed.
//
// Only CRLF ends a line here. A bare LF and a folded header line (obs-fold) are refused at sight:
// what one program takes for a line's end and the next does not is how requests are smuggled (RFC
// 9112 sections 2.2, 5.2 and 11.2). Threads: values. Failure: kInvalid.
#include <cstddef>
#include <string_view>

#include "base/error.h"

namespace godwit::http {

class HeadScan {
 public:
  // The size of the head with its empty line, or 0 while that has not come. `bytes` begin at the
  // head's first byte and are those of the last call and more.
  Result<size_t> Find(std::string_view bytes);
  void Reset() { seen_ = 0; }

 private:
  size_t seen_ = 0;  // up to here, `bytes` need not be looked at again
};

}  // namespace godwit::http
