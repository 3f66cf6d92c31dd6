#pragma once

// Copies of instances that live on other nodes, kept here in case those nodes are lost.
//
// A copy is an image of this node's, whole, with a row of its own; it never runs here unless the
// site says that the instance is this node's now (TakeOver()). Threads: the loop. Lifetime: within
// that of the image shelf; Start() first. Failure: of the store's; a copy that is kept is durable.
#include <boost/asio/awaitable.hpp>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "functions/arrival.h"
#include "functions/image_shelf.h"
#include "functions/workplace.h"

namespace godwit::functions {

// As the store has it.
struct KeptReplica {
  std::string owner;  // the node that it lives on
  Luggage luggage;    // its facts are those of the copy: this node's key, bases, and clock
  storage::BlobId image;
  uint64_t image_bytes = 0;
};
Result<> PutReplica(storage::Database& database, const KeptReplica& replica);
Result<> DropReplica(storage::Database& database, const InstanceId& id);
Result<std::vector<KeptReplica>> AllReplicas(storage::Database& database);

class Replicas {
 public:
  Replicas(Workplace& workplace, Arrivals& arrivals) : work_(workplace), arrivals_(arrivals) {}

  // Start-up, blocking.
  Result<> Start();

  struct View {
    InstanceId id;
    std::string function;
    std::string owner;
    std::string call;
    int64_t epoch = 0;
    uint64_t sequence = 0;
    uint64_t image_bytes = 0;
  };
  std::vector<View> All() const;
  std::optional<View> Find(const InstanceId& id) const;

  // All has come: it replaces an older one of the same instance.
  boost::asio::awaitable<Result<>> Keep(std::unique_ptr<Arrival> arrival, Luggage luggage,
                                        int64_t epoch, std::string owner);
  // Nobody wants it any more; one that is newer than `newest` stays.
  boost::asio::awaitable<void> Drop(InstanceId id, uint64_t newest = UINT64_MAX);
  // It lives here from now on, with this epoch; it goes on when it is due, or at once.
  boost::asio::awaitable<Result<>> TakeOver(InstanceId id, int64_t epoch);
  void Close() { replicas_.clear(); }

 private:
  struct Held {
    KeptReplica kept;
    ImageShelf::Held image;
  };

  Workplace& work_;
  Arrivals& arrivals_;
  std::map<std::string, Held> replicas_;  // by instance
};

}  // namespace godwit::functions
