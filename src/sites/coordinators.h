#pragma once

// The coordinator that a site's URL means: "sqlite", or an etcd (etcd_options.h).
//
// Threads and lifetime: the Coordinator's; opening SQLite blocks: for start-up. Failure: kInvalid
// for another URL; what the coordinator's Open() gives.
#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/log.h"
#include "sites/coordinator.h"
#include "sites/identity.h"

namespace godwit::sites {

// kInvalid for what is neither.
Result<> CheckCoordinator(std::string_view url);
// One node alone can use it.
bool IsLone(std::string_view url);
// Without the password.
std::string Shown(std::string_view url);

// By `url`, or by the identity's own. With TLS this node shows its certificate, and believes its
// site's authority and those in DIR/site/etcd.crt, if that is there.
Result<std::unique_ptr<Coordinator>> OpenCoordinator(boost::asio::any_io_executor executor,
                                                     const std::string& url,
                                                     const Identity& identity,
                                                     const std::string& data, const Clock& clock,
                                                     Log log);

}  // namespace godwit::sites
