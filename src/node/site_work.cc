#include "node/site_work.h"

#include <boost/json.hpp>

#include "base/clock.h"
#include "base/entropy.h"
#include "base/try.h"
#include "sites/coordinators.h"
#include "sites/join.h"

namespace godwit::node {
namespace {

sites::Newcomer NewcomerOf(const cli::SiteWork::Newcomer& node) {
  return {node.data, node.name, node.address, GODWIT_VERSION};
}

boost::json::object Told(const sites::Identity& identity) {
  return {{"site", identity.site},
          {"node", identity.name},
          {"address", identity.address},
          {"coordinator", sites::Shown(identity.coordinator)},
          {"fingerprint", identity.fingerprint()}};
}

}  // namespace

cli::SiteWork WorkOnSites() {
  return {.init = [](const cli::SiteWork::Newcomer& node,
                     const std::string& coordinator) -> Result<boost::json::object> {
            SystemEntropy entropy;
            const SystemClock clock;
            GODWIT_TRY(const auto made,
                       sites::InitSite(NewcomerOf(node), coordinator, entropy, clock));
            return Told(made);
          },
          .join = [](const cli::SiteWork::Newcomer& node, const std::string& token,
                     const std::string& host) -> Result<boost::json::object> {
            GODWIT_TRY(const auto made, sites::JoinSite(NewcomerOf(node), token, host));
            return Told(made);
          }};
}

}  // namespace godwit::node
