#pragma once

// Where an etcd is and who this node is to it.
//
//   etcd://[USER:PASSWORD@]HOST:PORT[,HOST:PORT...]      etcds:// for TLS
//
// User and password are percent-encoded where they have other characters. Threads: values.
// Failure: kInvalid for text that is no such URL.
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "http/client.h"

namespace godwit::sites {

struct EtcdOptions {
  std::vector<std::string> endpoints{};  // as http/url.h has them
  std::string user{};                    // empty: no authentication
  std::string password{};
  // How long one endpoint may take for an answer. With it, a node's lease of 10 s outlives one
  // endpoint that is silent.
  Nanos patience = std::chrono::seconds(3);
  // A watch is asked for anew after so long, in case its endpoint has gone without a word.
  Nanos watch_turn = std::chrono::seconds(60);
  // What every connection gets. For etcds: the TlsContext that shows this node's certificate and
  // says whose signature counts on etcd's. etcd must be certified for the host of the endpoint,
  // unless another host or a name is expected here; and its certificate must do for a client, too,
  // as its gateway calls itself (no extended key usage, or both serverAuth and clientAuth).
  http::ClientOptions http{};

  static Result<EtcdOptions> Parse(std::string_view url);
};

}  // namespace godwit::sites
