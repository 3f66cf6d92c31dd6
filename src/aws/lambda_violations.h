#pragma once

// What is wrong with the values of a request, collected, and told in one ValidationException as
// Lambda tells it: "2 validation errors detected: Value '901' at 'timeout' failed to satisfy
// constraint: ...; Value ...".
//
// Threads: values. Failure: Check() gives the exception once anything was found.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "aws/lambda_error.h"

namespace godwit::aws {

class Violations {
 public:
  // `where` is the member's name in Lambda's texts, such as 'timeout'.
  void Missing(std::string_view where);
  void Range(std::string_view where, int64_t value, int64_t least, int64_t most);
  void Length(std::string_view where, std::string_view value, size_t most);
  void Pattern(std::string_view where, std::string_view value, bool fits, std::string_view pattern);
  void Choice(std::string_view where, std::string_view value, bool fits, std::string_view choices);

  LambdaResult<> Check() const;

 private:
  std::vector<std::string> found_;
};

}  // namespace godwit::aws
