#pragma once

// A payload on the command line: JSON, @FILE, or - for standard input.
//
// Use ReadPayload() in each verb that sends one. Threads: one. Failure: that of reading the file;
// what is no JSON is for the node to refuse, and PayloadIsNotJson() for saying so.
#include <iosfwd>
#include <string>

#include "base/error.h"

namespace godwit::cli {

Result<std::string> ReadPayload(const std::string& given, std::istream& in);

// kInvalid, with the way out.
std::unexpected<Error> PayloadIsNotJson();

}  // namespace godwit::cli
