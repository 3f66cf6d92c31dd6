#pragma once

// The sending end of one transfer: pages that the other node lacks, the rest, the luggage.
//
// Packing adapts to the link: pages are packed while that is quicker than to send them as they are,
// and harder on a slow link. Threads: the loop; one call at a time. Lifetime: what it refers to
// outlives it. Failure: the other node's words; kUnavailable and kTimeout: it cannot be reached.
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <string>
#include <vector>

#include "base/loop.h"
#include "checkpoint/outgoing_image.h"
#include "sites/peer_link.h"
#include "sites/wire.h"

namespace godwit::sites {

// What has crossed so far.
struct Traffic {
  uint64_t bytes = 0;  // on the wire, of bodies
  uint64_t pages = 0;  // of the images
  uint64_t pages_sent = 0;
  int rounds = 0;
};

class Sender {
 public:
  static constexpr Nanos kPatience = std::chrono::seconds(30);  // for one answer

  Sender(PeerLink& link, Pool& pool, const Clock& clock, std::string node)
      : link_(link), pool_(pool), clock_(clock), node_(std::move(node)) {}

  // `zip`: asked for if the code is not there.
  boost::asio::awaitable<Result<>> Offer(
      sites::Offer offer, std::function<boost::asio::awaitable<Result<std::string>>()> zip);
  // Those that are not there yet; a round.
  boost::asio::awaitable<Result<>> SendPages(checkpoint::OutgoingImage& image);
  boost::asio::awaitable<Result<>> SendRest(checkpoint::OutgoingImage& image);
  // The last word.
  boost::asio::awaitable<Result<>> Keep(const functions::Luggage& luggage);
  // It need not be kept ready any more; what comes of it does not matter.
  boost::asio::awaitable<void> GiveUp();

  const Traffic& traffic() const { return traffic_; }
  const std::string& node() const { return node_; }

 private:
  boost::asio::awaitable<Result<std::string>> Post(std::string what, std::string body,
                                                   Nanos timeout = kPatience);
  storage::Packing NextPacking() const;
  void Learn(storage::Packing packing, uint64_t plain, uint64_t sent, Nanos packed, Nanos crossed);

  PeerLink& link_;
  Pool& pool_;
  const Clock& clock_;
  std::string node_;
  std::string arrival_;
  storage::Packer packer_;
  Traffic traffic_;
  double link_rate_ = 0;  // bytes a second; 0: not known
  double pack_rate_ = 0;
  double ratio_ = 0.5;  // of packed to plain
};

}  // namespace godwit::sites
