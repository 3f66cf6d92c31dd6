#pragma once

// The Coordinator of a site of several nodes: an etcd, over its v3 JSON gateway.
//
// Every read is linearizable, as etcd has it by default. A lease's time is whole seconds there, and
// at least some: what was granted is said. A watch goes on by itself at the next endpoint when one
// fails, and only says so when none answers. Threads: one loop. Failure: the Coordinator's;
// kUnavailable within `patience` times the number of endpoints, as a rule.
#include <boost/asio/any_io_executor.hpp>

#include "sites/coordinator.h"
#include "sites/etcd_link.h"
#include "sites/etcd_options.h"

namespace godwit::sites {

class EtcdCoordinator : public Coordinator {
 public:
  EtcdCoordinator(boost::asio::any_io_executor executor, EtcdOptions options);

  Answer<std::optional<Entry>> Get(std::string key) override;
  Answer<Listing> List(std::string prefix) override;
  Answer<bool> Commit(std::vector<Compare> compares, std::vector<Change> changes) override;
  Answer<Lease> GrantLease(Nanos ttl) override;
  Answer<Nanos> KeepAlive(LeaseId lease) override;
  Answer<> RevokeLease(LeaseId lease) override;
  Answer<> Watch(std::string prefix, int64_t from, Sink sink) override;
  boost::asio::awaitable<void> Close() override;

 private:
  class Watching;
  Answer<Listing> ListOnce(const std::string& prefix, int64_t page);

  etcd::Link link_;
};

}  // namespace godwit::sites
