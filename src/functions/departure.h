#pragma once

// An instance of this node on its way to another: put away, held, sent, and gone or back.
//
//   Begin() puts it away and keeps it so; Pack() is what goes beside its image; then it is at the
//   target, or not: Leave() or Stay(), one of the two.
//
// Until Leave() it is whole here, on disk, whatever happens to either node; who of the two has it
// is the site's registry's word, and nobody else's. A copy of one that stays is packed in the same
// way, for another node to keep (Copy()). Threads: the loop. Lifetime: the Departures outlive a
// Departure; one that is dropped without either word leaves its instance held. Failure: Begin():
// kNotFound, kBusy, kUnsupported and kConflict as Instance::Suspend(), in which case it goes on.
#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "checkpoint/outgoing_image.h"
#include "functions/calls.h"
#include "functions/crews.h"
#include "functions/luggage.h"
#include "functions/page_library.h"
#include "functions/workplace.h"

namespace godwit::functions {

struct Departure {
  InstanceId id;
  bool ran = false;          // until now
  SteadyTime stood_still{};  // from when on, if it ran
  KeptInstance kept;
  uint32_t packed = 0;    // callbacks of its call that are in the luggage
  ImageShelf::Held held;  // its image
  std::unique_ptr<checkpoint::OutgoingImage> image;
};

class Departures {
 public:
  Departures(Workplace& workplace, Crews& crews, Calls& calls, PageLibrary& library)
      : work_(workplace), crews_(crews), calls_(calls), library_(library) {}

  // What can be said before anything stops: kNotFound, kUnsupported for what never can be sent.
  Result<const Instance*> Check(const InstanceId& id) const;
  // Images that have much of what the instance's next one will have; opened, to be sent while it
  // runs on. None, if there is none.
  boost::asio::awaitable<std::vector<std::unique_ptr<checkpoint::OutgoingImage>>> Forerunners(
      InstanceId id);
  boost::asio::awaitable<Result<Departure>> Begin(InstanceId id, std::string to);
  // Its row has the epoch from now on.
  boost::asio::awaitable<Result<Luggage>> Pack(Departure& departure, int64_t epoch);
  // It lives there: its call's result will come from there.
  boost::asio::awaitable<Result<>> Leave(Departure departure, std::string node);
  // It goes on here.
  boost::asio::awaitable<void> Stay(Departure departure, std::string why);
  // Of one that is put away, and may come back at any moment. kConflict if it is not.
  boost::asio::awaitable<Result<Departure>> Copy(InstanceId id);

 private:
  boost::asio::awaitable<Result<>> Open(Departure& departure, const Instance& instance);

  Workplace& work_;
  Crews& crews_;
  Calls& calls_;
  PageLibrary& library_;
};

}  // namespace godwit::functions
