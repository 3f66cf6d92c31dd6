#pragma once

// Whether a text is JSON, without building anything from it.
//
// A call's payload passes through Godwit unread; it is only made sure that the function will not
// get half a value. Depth is limited, so that a hostile text of brackets cannot exhaust the stack.
// Grammar: RFC 8259; UTF-8 is checked. Threads: any. Failure: kInvalid with the reason and the
// offset.
#include <string_view>

#include "base/error.h"

namespace godwit::functions {

inline constexpr size_t kMaxJsonDepth = 512;

Result<> CheckJson(std::string_view text);

}  // namespace godwit::functions
