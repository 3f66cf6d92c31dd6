#pragma once

// The verbs `site init`, `site join`, `site token`, `site list`, `site leave`, `site evict`.
//
// The first two work on a store without a node; what they do is the caller's, for sites/ stands
// above this folder. The others ask the node. Threads: one. Failure: that of the work, or the
// node's.
#include <boost/json/fwd.hpp>
#include <functional>
#include <string>
#include <vector>

#include "cli/verb.h"

namespace godwit::cli {

struct SiteWork {
  struct Newcomer {
    std::string data;
    std::string name;
    std::string address;
  };
  // Each gives what is shown: site, node, address, coordinator.
  std::function<Result<boost::json::object>(const Newcomer&, const std::string& coordinator)> init;
  std::function<Result<boost::json::object>(const Newcomer&, const std::string& token,
                                            const std::string& host)>
      join;
};

std::vector<Verb> SiteVerbs(SiteWork work);

}  // namespace godwit::cli
