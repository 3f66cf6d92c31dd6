#pragma once

// The paths of the node's two interfaces, Lambda's and Godwit's own.
//
// Threads: any. Failure: none; names are percent-encoded, so that no name leads elsewhere.
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace godwit::cli {

// Lambda API 2015-03-31: "/2015-03-31/functions/NAME".
inline std::string FunctionPath(std::string_view name) {
  return "/2015-03-31/functions/" + PercentEncode(name);
}

// "/godwit/v1/FOLDER/NAME".
inline std::string AdminPath(std::string_view folder, std::string_view name) {
  return "/godwit/v1/" + std::string(folder) + "/" + PercentEncode(name);
}

}  // namespace godwit::cli
