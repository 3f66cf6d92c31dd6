#pragma once

// The help texts, made from the verbs' descriptions.
//
// Threads: any. Failure: none.
#include <span>
#include <string>

#include "cli/verb.h"

namespace godwit::cli {

inline constexpr std::string_view kVersion = GODWIT_VERSION;

// `godwit --help`.
std::string Overview(std::span<const Verb> verbs);
// `godwit VERB --help`.
std::string HelpOf(const Verb& verb);
// One line an exit code: "3  not found".
std::vector<std::pair<int, std::string>> ExitCodes();

// `text` in lines of at most `width` columns, each but the first indented; lines of its own are
// kept.
std::string Wrap(std::string_view text, size_t indent, size_t width = 100);

}  // namespace godwit::cli
