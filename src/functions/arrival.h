#pragma once

// An instance of another node on its way to this one.
//
//   Expect() looks at what is wanted of this node before anything stops there; the pages and the
//   rest go into Arrival::image; Keep() makes it this node's, put away and held, in one row; then
//   the site's registry says whose it is: Begin() or Refuse(), one of the two.
//
// Threads: the loop. Lifetime: the Arrivals outlive an Arrival. Failure: of Expect(): why it cannot
// live here, for whoever wants to send it; kNotFound: its code is not here; kConflict: it is here.
#include <boost/asio/awaitable.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "checkpoint/incoming_image.h"
#include "functions/calls.h"
#include "functions/catalogue.h"
#include "functions/crews.h"
#include "functions/luggage.h"
#include "functions/page_library.h"
#include "functions/workplace.h"

namespace godwit::functions {

struct ArrivalOffer {
  InstanceId instance;
  Function function;        // as the sender has it
  std::string zip;          // empty: the code may be here
  uint64_t most_bytes = 0;  // that it holds in memory now; 0 if it is put away
};

struct Arrival {
  ArrivalOffer offer;
  Function function;  // as this node has it
  std::optional<Turns::Held> code;
  std::vector<ImageShelf::Held> library;
  std::unique_ptr<checkpoint::IncomingImage> image;
  // From Keep() on.
  Luggage luggage;
  KeptInstance kept;
  ImageShelf::Held held;
};

class Arrivals {
 public:
  Arrivals(Workplace& workplace, Catalogue& catalogue, Crews& crews, Calls& calls,
           PageLibrary& library)
      : work_(workplace), catalogue_(catalogue), crews_(crews), calls_(calls), library_(library) {}

  boost::asio::awaitable<Result<std::unique_ptr<Arrival>>> Expect(ArrivalOffer offer);
  // All has come. It is in the store, with this epoch.
  boost::asio::awaitable<Result<>> Keep(Arrival& arrival, Luggage luggage, int64_t epoch);
  // Its image alone is, and what would be its row.
  boost::asio::awaitable<Result<>> Store(Arrival& arrival, Luggage luggage, int64_t epoch);
  // The rows of one that is stored, for the journal.
  Result<> PutRows(storage::Database& database, const Arrival& arrival) const;
  // It lives here; one that ran goes on at once, else when it is due.
  boost::asio::awaitable<Result<>> Begin(std::unique_ptr<Arrival> arrival);
  // `back_to`: who has it instead.
  boost::asio::awaitable<void> Refuse(std::unique_ptr<Arrival> arrival, std::string back_to);

 private:
  Workplace& work_;
  Catalogue& catalogue_;
  Crews& crews_;
  Calls& calls_;
  PageLibrary& library_;
};

}  // namespace godwit::functions
