#pragma once

// The rest of the site, as the functions of this node see it (sites/ implements it).
//
// A lone node has none: Workplace::abroad is null. An instance of which others know has an epoch,
// the fencing token under which this node owns it; what it does to the world asks MayAct() first.
// Threads: the loop. Lifetime: from before the platform's Start() to after its Stop(). Failure: of
// a node that cannot be reached: kUnavailable, naming it.
#include <boost/asio/awaitable.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "functions/model.h"

namespace godwit::functions {

// How one migration went; times by the sender's clock.
struct Journey {
  std::string from, to;
  std::string mode;  // how it was sent
  bool ran = false;  // until it was sent; else it was put away, and stayed so
  Nanos downtime{};  // from its last instruction here to its next one there; if it ran
  Nanos total{};
  uint64_t bytes = 0;       // that crossed
  uint64_t pages = 0;       // of its memory, of 4 KiB
  uint64_t pages_sent = 0;  // that the other node had not got
  int rounds = 0;
};

class Abroad {
 public:
  Abroad() = default;
  Abroad(const Abroad&) = delete;
  Abroad& operator=(const Abroad&) = delete;
  virtual ~Abroad() = default;

  // For a call that was on that node when this one heard of it last, in that instance.
  virtual boost::asio::awaitable<Result<uint32_t>> Deliver(std::string node, InstanceId instance,
                                                           Callback callback) = 0;
  // Sends an instance of this node to another. `mode`: "auto", "stop", "precopy" or "postcopy".
  virtual boost::asio::awaitable<Result<Journey>> Migrate(InstanceId instance, std::string to,
                                                          std::string mode) = 0;
  // This node's.
  virtual const std::string& name() const = 0;
  // GET of this API's path at each other node that lives: its name, and its answer or why not.
  virtual boost::asio::awaitable<std::vector<std::pair<std::string, Result<std::string>>>> AskAll(
      std::string path) = 0;
  // The store has a result for another node (ForeignResults).
  virtual void HasResults() = 0;
  // Whether this node still owns the instance, for certain: at once, as long as its lease holds;
  // else when the site can be asked. False: another one has it.
  virtual boost::asio::awaitable<bool> MayAct(InstanceId instance, int64_t epoch) = 0;
  // Cheap: true while the lease holds.
  virtual bool HoldsLease() const = 0;
  // It is put away, with this image, or its call has ended: whoever keeps a copy is told.
  virtual void WasPutAway(const InstanceId& instance) = 0;
  virtual void CallEnded(const InstanceId& instance, int64_t epoch) = 0;
  // It has ended for good.
  virtual void Ended(const InstanceId& instance, int64_t epoch) = 0;
};

}  // namespace godwit::functions
