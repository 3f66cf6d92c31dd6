#pragma once

// The receiving end: instances of other nodes that come to this one, to live or to be kept.
//
// One transfer is a few requests, each of which may be sent again; one of which nothing was heard
// for kPatience is dropped, unless it is not known yet whose the instance is: then the registry is
// asked until it says so. Threads: the loop. Lifetime: co_await Close() before it is destroyed.
// Failure: each is an answer.
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/gate.h"
#include "functions/travel.h"
#include "http/message.h"
#include "sites/surroundings.h"
#include "sites/wire.h"

namespace godwit::sites {

class Host {
 public:
  static constexpr Nanos kPatience = std::chrono::minutes(2);

  // Told of each copy that is kept here from now on.
  using CopyCame = std::function<void(const std::string& instance)>;
  // `around` and `travel` outlive it.
  Host(const Surroundings& around, functions::Travel& travel, CopyCame copy_came);

  // Whether the path is one of transfers: /site/v1/arrivals….
  static bool Serves(std::string_view path) { return path.starts_with("/site/v1/arrivals"); }
  boost::asio::awaitable<http::Response> Handle(http::Request request, std::string from);
  void Tick();
  boost::asio::awaitable<void> Close();

 private:
  struct Open {
    std::string from;
    Offer offer;
    std::unique_ptr<functions::Arrival> arrival;
    storage::Packer packer;
    SteadyTime heard{};
    bool busy = false;
  };
  using Answer = boost::asio::awaitable<Result<http::Response>>;

  Answer Begin(std::string body, std::string from);
  Answer Serve(std::shared_ptr<Open> open, std::string id, std::string what, http::Request request);
  Answer Keep(std::shared_ptr<Open> open, std::string body);
  boost::asio::awaitable<Result<>> Decide(std::shared_ptr<Open> open);
  boost::asio::awaitable<void> DecideLater(std::shared_ptr<Open> open);

  const Surroundings& around_;
  functions::Travel& travel_;
  CopyCame copy_came_;
  std::map<std::string, std::shared_ptr<Open>> open_;
  bool closing_ = false;
  Gate gate_;
};

}  // namespace godwit::sites
