#pragma once

// Why an operation failed, and the Result that carries a value or that reason.
//
// Use Result<T> for every call that can fail. Exceptions are left to libraries and caught where
// their call is made. One table gives each code its name, its HTTP status and its exit code, so
// that the three never disagree. Threads: values. Failure: none of their own.
#include <fmt/core.h>

#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace godwit {

#define GODWIT_CODES(X) /* name, text, HTTP status, exit code */ \
  X(kInternal, "internal error", 500, 1)                         \
  X(kInvalid, "invalid", 400, 2)                                 \
  X(kNotFound, "not found", 404, 3)                              \
  X(kUnsupported, "unsupported here", 501, 4)                    \
  X(kCorrupt, "corrupt", 500, 5)                                 \
  X(kClosing, "shutting down", 503, 6)                           \
  X(kConflict, "in conflict", 409, 7)                            \
  X(kTooLarge, "too large", 413, 8)                              \
  X(kBusy, "busy", 429, 9)                                       \
  X(kTimeout, "timed out", 504, 10)                              \
  X(kDenied, "denied", 403, 11)                                  \
  X(kNoSpace, "no space left", 507, 12)                          \
  X(kUnavailable, "unavailable", 503, 13)                        \
  X(kStale, "out of date", 412, 14)

enum class Code {
#define X(name, text, http, exit) name,
  GODWIT_CODES(X)
#undef X
};

std::string_view ToString(Code code);
int HttpStatus(Code code);
int ExitCode(Code code);

// The code that an errno stands for: ENOENT is kNotFound, ENOSPC and EDQUOT are kNoSpace, and so
// on.
Code CodeOfErrno(int error);

class [[nodiscard]] Error {
 public:
  Error(Code code, std::string reason) : code_(code), reason_(std::move(reason)) {}

  // Adds what the caller was doing; the outermost context is printed first.
  void Within(std::string doing) { context_.push_back(std::move(doing)); }

  Code code() const { return code_; }
  // The reason alone, without the context.
  const std::string& reason() const { return reason_; }
  // "outermost: ...: innermost: reason".
  std::string ToString() const;

 private:
  Code code_;
  std::string reason_;
  std::vector<std::string> context_;
};

// A T, or the Error that took its place. A class, because a std::expected may be dropped unseen.
template <typename T = void>
class [[nodiscard]] Result : public std::expected<T, Error> {
 public:
  using std::expected<T, Error>::expected;

  // Says what the caller was doing; formats only if there is an error.
  template <typename... Args>
  Result Within(fmt::format_string<Args...> doing, Args&&... args) && {
    if (!*this) this->error().Within(fmt::format(doing, std::forward<Args>(args)...));
    return std::move(*this);
  }
};

template <typename... Args>
std::unexpected<Error> Fail(Code code, fmt::format_string<Args...> reason, Args&&... args) {
  return std::unexpected(Error(code, fmt::format(reason, std::forward<Args>(args)...)));
}

// Fail() with the code and text of an errno: FailErrno(errno, "cannot open '{}'", path).
template <typename... Args>
std::unexpected<Error> FailErrno(int error, fmt::format_string<Args...> doing, Args&&... args);

std::string ErrnoText(int error);

template <typename... Args>
std::unexpected<Error> FailErrno(int error, fmt::format_string<Args...> doing, Args&&... args) {
  return std::unexpected(Error(CodeOfErrno(error), fmt::format(doing, std::forward<Args>(args)...) +
                                                       ": " + ErrnoText(error)));
}

}  // namespace godwit
