#pragma once

// This node as one of its site: what the others may ask of it, and what it asks of them.
//
// The functions of this node see it as Abroad; the other nodes see it under /site/v1
// (docs/formats/transfer.md). Threads: the loop. Lifetime: the platform is stopped before Close(),
// Close() before it is destroyed. Failure: as Abroad has it; what goes on by itself is logged.
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/gate.h"
#include "functions/abroad.h"
#include "functions/platform.h"
#include "functions/travel.h"
#include "sites/copies.h"
#include "sites/failover.h"
#include "sites/host.h"
#include "sites/migration.h"
#include "sites/presence.h"
#include "sites/surroundings.h"

namespace godwit::sites {

class Roaming final : public functions::Abroad {
 public:
  struct Options {
    std::string holder;  // this run of the node (presence.h)
    Nanos lease = Presence::kTtl;
    int copies = 1;  // of each call that is put away, on other nodes
  };
  Roaming(Surroundings surroundings, Options options);
  ~Roaming() override;

  // The platform has started; `api` answers what other nodes may look at (GET).
  using Api = std::function<boost::asio::awaitable<http::Response>(http::Request)>;
  void Start(functions::Platform& platform, functions::Travel& travel, Api api);
  // The site knows where this node is: it begins to live there.
  Result<> Join() { return presence_.Start(); }
  // The node leaves the site: the others need not wait for the end of its lease.
  boost::asio::awaitable<void> Leave() { return presence_.Leave(); }
  boost::asio::awaitable<http::Response> Handle(http::Request request, std::string from);
  static size_t BodyLimit(std::string_view path);
  // The node stops: whoever waits for the site's word waits no more. Before the platform's Stop().
  void Stopping();
  boost::asio::awaitable<void> Close();

  // Abroad.
  boost::asio::awaitable<Result<functions::Journey>> Migrate(InstanceId instance, std::string to,
                                                             std::string mode) override;
  const std::string& name() const override { return around_.node; }
  boost::asio::awaitable<std::vector<std::pair<std::string, Result<std::string>>>> AskAll(
      std::string path) override;
  boost::asio::awaitable<Result<uint32_t>> Deliver(std::string node, InstanceId instance,
                                                   functions::Callback callback) override;
  void HasResults() override;
  boost::asio::awaitable<bool> MayAct(InstanceId instance, int64_t epoch) override;
  bool HoldsLease() const override { return presence_.held(); }
  void WasPutAway(const InstanceId& instance) override;
  void CallEnded(const InstanceId& instance, int64_t epoch) override;
  void Ended(const InstanceId& instance, int64_t epoch) override;

 private:
  using Answer = boost::asio::awaitable<Result<http::Response>>;

  void Back();
  void Lost();
  boost::asio::awaitable<void> AskWhose();
  boost::asio::awaitable<bool> AskWhoseIs(functions::Travel::Known known);
  boost::asio::awaitable<void> SendResults();
  boost::asio::awaitable<bool> SendResult(functions::ForeignResult result);
  boost::asio::awaitable<void> Ticking();
  Answer TakeResult(std::string body, std::string from);
  Answer TakeCallback(std::string body);

  const Surroundings around_;
  const Options options_;
  Presence presence_;
  functions::Platform* platform_ = nullptr;
  functions::Travel* travel_ = nullptr;
  Api api_;
  std::unique_ptr<Host> host_;
  std::unique_ptr<Copies> copies_;
  std::unique_ptr<Migrations> migrations_;
  std::unique_ptr<Failover> failover_;
  bool sending_ = false;
  bool results_wait_ = false;
  bool asking_ = false;
  bool closing_ = false;
  Gate gate_;
};

}  // namespace godwit::sites
