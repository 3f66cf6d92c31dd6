#pragma once

// What a node tells of itself, apart from its functions.
//
// node/ fills it in, for AdminApi. Threads: values. Failure: none.
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/feature.h"

namespace godwit::admin {

struct NodeInfo {
  std::string version;
  std::string data;                    // its folder
  std::vector<std::string> endpoints;  // where it listens
  int pid = 0;
  Nanos uptime{};
  uint64_t rss_bytes = 0;
  std::vector<Feature> features;  // probed once, at its start
};

using NodeInfoProvider = std::function<NodeInfo()>;

}  // namespace godwit::admin
