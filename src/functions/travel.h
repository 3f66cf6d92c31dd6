#pragma once

// What the rest of the site asks of this node's platform: everything about instances that live on
// more than one node in their life. sites/ stands on this.
//
// Threads: the loop. Lifetime: the platform's. Failure: as the parts have it.
#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <vector>

#include "functions/arrival.h"
#include "functions/departure.h"
#include "functions/page_library.h"
#include "functions/replicas.h"
#include "functions/schema.h"

namespace godwit::functions {

class Travel {
 public:
  Travel(Workplace& workplace, Catalogue& catalogue, Crews& crews, Calls& calls)
      : work_(workplace),
        crews_(crews),
        calls_(calls),
        catalogue_(catalogue),
        library_(workplace, crews),
        departures_(workplace, crews, calls, library_),
        arrivals_(workplace, catalogue, crews, calls, library_),
        replicas_(workplace, arrivals_) {}

  Departures& departures() { return departures_; }
  Arrivals& arrivals() { return arrivals_; }
  Replicas& replicas() { return replicas_; }
  const Replicas& replicas() const { return replicas_; }

  // Instances here that others know of.
  struct Known {
    InstanceId id;
    std::string function, revision;
    State state = State::kStarting;
    int64_t epoch = 0;
    uint64_t sequence = 0;  // of its image
    std::optional<RequestId> call;
    bool held = false;
  };
  std::vector<Known> Instances() const;
  const Instance* Find(const InstanceId& id) const { return crews_.Find(id); }
  // Others know of it from now on.
  boost::asio::awaitable<Result<>> NoteEpoch(InstanceId id, int64_t epoch);
  // The site says that it is this node's, after a start or a loss of the lease: it goes on.
  boost::asio::awaitable<void> GoesOn(InstanceId id, int64_t epoch);
  // Nobody knows whose it is: it is stopped where it stands until GoesOn() or Left().
  boost::asio::awaitable<void> StandStill(InstanceId id);
  // The site says that it lives on `node`: what is left of it here goes, and its call is away.
  boost::asio::awaitable<void> Left(InstanceId id, std::string node);

  // Results for others, and from them.
  boost::asio::awaitable<Result<std::vector<ForeignResult>>> Results();
  boost::asio::awaitable<Result<>> NoteDelivered(RequestId id);
  boost::asio::awaitable<Result<>> ResultCame(RequestId id, std::optional<Outcome> outcome,
                                              int attempt) {
    return calls_.ResultCame(std::move(id), std::move(outcome), attempt);
  }
  // A call of this node's is on another node now.
  void CallMoved(const RequestId& id, const std::string& node);
  boost::asio::awaitable<Result<std::string>> Zip(const Function& function);

  void Close() {
    library_.Clear();
    replicas_.Close();
  }

 private:
  Workplace& work_;
  Crews& crews_;
  Calls& calls_;
  Catalogue& catalogue_;
  PageLibrary library_;
  Departures departures_;
  Arrivals arrivals_;
  Replicas replicas_;
};

}  // namespace godwit::functions
