#include "base/error.h"

#include <cerrno>
#include <cstring>
#include <ranges>

namespace godwit {

std::string_view ToString(Code code) {
  switch (code) {
#define X(name, text, http, exit) \
  case Code::name:                \
    return text;
    GODWIT_CODES(X)
#undef X
  }
  return "unknown";
}

int HttpStatus(Code code) {
  switch (code) {
#define X(name, text, http, exit) \
  case Code::name:                \
    return http;
    GODWIT_CODES(X)
#undef X
  }
  return 500;
}

int ExitCode(Code code) {
  switch (code) {
#define X(name, text, http, exit) \
  case Code::name:                \
    return exit;
    GODWIT_CODES(X)
#undef X
  }
  return 1;
}

Code CodeOfErrno(int error) {
  switch (error) {
    case ENOENT:
    case ESRCH:
      return Code::kNotFound;
    case ENOSPC:
    case EDQUOT:
      return Code::kNoSpace;
    case EACCES:
    case EPERM:
    case EROFS:
      return Code::kDenied;
    case EEXIST:
    case EADDRINUSE:
    case EBUSY:
      return Code::kConflict;
    case EISDIR:
    case ENOTDIR:
    case EADDRNOTAVAIL:
      return Code::kInvalid;
    case ETIMEDOUT:
      return Code::kTimeout;
    case ENOSYS:
    case EOPNOTSUPP:
      return Code::kUnsupported;
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
      return Code::kUnavailable;
    default:
      return Code::kInternal;
  }
}

std::string ErrnoText(int error) {
  char buffer[128];
  return strerror_r(error, buffer, sizeof buffer);
}

std::string Error::ToString() const {
  std::string text;
  for (const auto& doing : context_ | std::views::reverse) text += doing + ": ";
  return text + reason_;
}

}  // namespace godwit
