#pragma once

// What is new in a log between two looks at its end.
//
// A look gives the newest N bytes of all instances, one instance after the other, so new text may
// stand in the middle, and old text falls off at the beginning. Threads: any. Failure: where the
// two do not match, all of the later one is new.
#include <string_view>

namespace godwit::cli {

std::string_view NewText(std::string_view before, std::string_view after);

}  // namespace godwit::cli
