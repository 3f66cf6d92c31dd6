#pragma once

// What this machine's kernel and tools can do for Godwit, as `godwit doctor` lists it.
//
// Probed once, by checkpoint/ and sandbox/; shown by admin/ and cli/, which know neither. Threads:
// values. Failure: none.
#include <functional>
#include <string>
#include <vector>

namespace godwit {

struct Feature {
  std::string name;  // "CRIU", "time namespaces"
  bool present = false;
  std::string detail;  // what was found: a version, a path, an errno's text
  std::string cost;    // what is lost without it, and how to get it
};

using FeatureProbe = std::function<std::vector<Feature>()>;

}  // namespace godwit
