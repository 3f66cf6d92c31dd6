#include "cli/log_tail.h"

#include <algorithm>

namespace godwit::cli {
namespace {

// The length of the longest end of `before` that `after` begins with.
size_t Overlap(std::string_view before, std::string_view after) {
  for (size_t length = std::min(before.size(), after.size()); length > 0; --length) {
    if (before[before.size() - length] == after[0] && before.ends_with(after.substr(0, length))) {
      return length;
    }
  }
  return 0;
}

}  // namespace

std::string_view NewText(std::string_view before, std::string_view after) {
  if (after.starts_with(before)) return after.substr(before.size());
  const auto same = static_cast<size_t>(std::ranges::mismatch(before, after).in2 - after.begin());
  const std::string_view old_rest = before.substr(same);
  if (after.substr(same).ends_with(old_rest)) {  // text came in the middle
    return after.substr(same, after.size() - same - old_rest.size());
  }
  return after.substr(Overlap(before, after));
}

}  // namespace godwit::cli
