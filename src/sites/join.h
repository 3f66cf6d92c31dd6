#pragma once

// What `godwit site init` and `godwit site join` do, where no node runs on the store.
//
// Threads: the caller's; they block. Failure: kConflict: there is a site, or a node runs; kDenied,
// kConflict, kUnsupported: the site refused, with its reason; kUnavailable: it, or the coordinator,
// is not to be reached. On failure nothing is left in the store.
#include <string>

#include "base/clock.h"
#include "base/entropy.h"
#include "base/error.h"
#include "base/log.h"
#include "sites/identity.h"

namespace godwit::sites {

struct Newcomer {
  std::string data{};  // the store
  std::string name{};
  std::string address{};
  std::string version{};
};

// Makes a site of this node alone, and writes it down at the coordinator.
Result<Identity> InitSite(const Newcomer& node, const std::string& coordinator, Entropy& entropy,
                          const Clock& clock);
// Joins the site whose member listens at `host` (HOST:PORT).
Result<Identity> JoinSite(const Newcomer& node, const std::string& token, const std::string& host);

}  // namespace godwit::sites
