#pragma once

// Calls that this node has accepted and another node of the site runs: who waits for them here.
//
// The store says so too (`call.away`), so that a restart neither runs one again nor gives it up.
// Threads: the loop. Lifetime: values. Failure: none.
#include <map>
#include <optional>
#include <string>

#include "base/ids.h"
#include "functions/instance.h"

namespace godwit::functions {

class AwayCalls {
 public:
  struct Away {
    PendingCall call;
    std::string node;  // that had it last, as far as is known here
    InstanceId instance;
  };

  void Add(PendingCall call, std::string node, InstanceId instance) {
    const std::string id = call.invocation.id.text;
    away_.insert_or_assign(id, Away{std::move(call), std::move(node), std::move(instance)});
  }
  // nullptr if it is not away.
  Away* Find(const RequestId& id) {
    const auto found = away_.find(id.text);
    return found == away_.end() ? nullptr : &found->second;
  }
  std::optional<PendingCall> Take(const RequestId& id) {
    auto node = away_.extract(id.text);
    if (node.empty()) return std::nullopt;
    return std::move(node.mapped().call);
  }
  std::map<std::string, Away> TakeAll() { return std::exchange(away_, {}); }

 private:
  std::map<std::string, Away> away_;  // by request id
};

}  // namespace godwit::functions
