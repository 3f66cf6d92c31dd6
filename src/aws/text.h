#pragma once

// Foreign text made fit to be sent on: into a JSON string, into a header.
//
// What a caller sent comes back in error texts and headers; a stray byte of it must not break the
// answer. Threads: any. Failure: none; what does not fit is replaced.
#include <string>
#include <string_view>

namespace godwit::aws {

// `text` with every byte that is not printable ASCII, a line feed or part of well-formed UTF-8
// replaced by '?'.
std::string Printable(std::string_view text);

// `text` as the value of an HTTP header: control bytes become spaces (RFC 9110 section 5.5).
std::string HeaderValue(std::string_view text);

}  // namespace godwit::aws
