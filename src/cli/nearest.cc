#include "cli/nearest.h"

#include <fmt/core.h>

#include <algorithm>
#include <vector>

namespace godwit::cli {

size_t EditDistance(std::string_view a, std::string_view b) {
  const size_t width = b.size() + 1;
  std::vector<size_t> cost((a.size() + 1) * width);
  const auto at = [&](size_t i, size_t j) -> size_t& { return cost[i * width + j]; };
  for (size_t i = 0; i <= a.size(); ++i) at(i, 0) = i;
  for (size_t j = 0; j <= b.size(); ++j) at(0, j) = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = at(i - 1, j - 1) + (a[i - 1] == b[j - 1] ? 0 : 1);
      at(i, j) = std::min({at(i - 1, j) + 1, at(i, j - 1) + 1, replaced});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) at(i, j) = std::min(at(i, j), at(i - 2, j - 2) + 1);
    }
  }
  return at(a.size(), b.size());
}

std::optional<std::string> Nearest(std::string_view word, std::span<const std::string> known) {
  std::optional<std::string> best;
  size_t best_distance = 0;
  for (const auto& candidate : known) {
    const bool begun = word.size() >= 2 && candidate.starts_with(word);
    const size_t distance = begun ? 1 : EditDistance(word, candidate);
    // A third of the letters may be wrong, so that two-letter words do not match everything.
    const size_t allowed = std::max(word.size(), candidate.size()) / 3 + (word.size() <= 2 ? 1 : 0);
    if (!begun && (distance > allowed || distance >= candidate.size())) continue;
    if (best && best_distance <= distance) continue;
    best = candidate;
    best_distance = distance;
  }
  return best;
}

std::string DidYouMean(std::string_view word, std::span<const std::string> known,
                       std::string_view otherwise) {
  if (const auto near = Nearest(word, known)) return fmt::format(" (did you mean '{}'?)", *near);
  return std::string(otherwise);
}

}  // namespace godwit::cli
