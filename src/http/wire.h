#pragma once

// Messages as bytes on the wire (RFC 9112): heads, built by hand into a string that is used again.
//
// Threads: values. Failure: kInvalid, with nothing appended, for a header that would not be one
// header on the wire (CR, LF or NUL in its value, a name that is no token), so that no caller's
// text can forge a header or a response; and for a status below 200 or above 999.
#include <cstddef>
#include <string>
#include <string_view>

#include "base/error.h"
#include "http/message.h"

namespace godwit::http {

enum class Framing { kLength, kChunked, kToTheEnd };

struct Answering {
  Framing framing = Framing::kLength;
  bool http11 = true;  // the request's version
  bool close = false;  // the connection ends after this response
};

Result<> AppendHead(std::string& out, const Response& response, Answering answering);

// The request with its body. `host` is for the Host header, unless the request has one. An empty
// target stands for the path and the query.
Result<> AppendRequest(std::string& out, const Request& request, std::string_view host);

// "1f\r\n", before so many bytes and CRLF. Not for zero, which ends a body.
void AppendChunkSize(std::string& out, size_t size);

// No body follows a response of this status, and no Content-Length stands in its head (RFC 9110
// sections 15.3.5 and 15.4.5).
bool IsBodiless(int status);

}  // namespace godwit::http
