#pragma once

// The runtime and the handler that a folder's files speak of.
//
//   bootstrap                      provided, no handler
//   index.js, index.mjs, index.cjs nodejs, index.handler
//   lambda_function.py             python3, lambda_function.lambda_handler
//   handler.py, main.py, app.py, or the only .py (.js, .mjs, .cjs) file: its `handler` or
//   `lambda_handler`
// Threads: any. Failure: kInvalid, saying which flags to give, where nothing or more than one thing
// fits.
#include <optional>
#include <string>

#include "base/error.h"

namespace godwit::cli {

struct Guess {
  std::string runtime;
  std::string handler;
  std::string file;  // that it rests on
};

// What the user has said already is kept and narrows the rest.
Result<Guess> GuessRuntime(const std::string& directory, const std::optional<std::string>& runtime,
                           const std::optional<std::string>& handler);

}  // namespace godwit::cli
