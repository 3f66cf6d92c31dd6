#pragma once

// The known word that a mistyped one was meant to be.
//
// For "unknown verb", "unknown flag" and "unknown key" messages. Threads: any. Failure: nullopt if
// nothing is near enough to be worth suggesting; a wrong guess is worse than none.
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace godwit::cli {

// How many insertions, removals, replacements or swaps of neighbours part `a` from `b` (restricted
// Damerau-Levenshtein distance).
size_t EditDistance(std::string_view a, std::string_view b);

std::optional<std::string> Nearest(std::string_view word, std::span<const std::string> known);

// " (did you mean 'ps'?)", or ` otherwise` where nothing is near.
std::string DidYouMean(std::string_view word, std::span<const std::string> known,
                       std::string_view otherwise);

}  // namespace godwit::cli
