#pragma once

// docs/man/godwit.1.scd, made from the verbs' descriptions; scdoc(1) makes the man page from it.
//
// Threads: any. Failure: none. A test compares the file with this text.
#include <span>
#include <string>

#include "cli/verb.h"

namespace godwit::cli {

std::string ManPage(std::span<const Verb> verbs);

}  // namespace godwit::cli
