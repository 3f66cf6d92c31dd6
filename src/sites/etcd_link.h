#pragma once

// Requests to an etcd of several endpoints: connections that are kept, time-outs, the token.
//
// One endpoint is preferred until it fails; then the next one is, and what was watched at the old
// one is cut, so that it goes on elsewhere. A request that may be sent twice goes on to the next
// endpoint by itself. One that may not goes once, over a connection that has just answered, so that
// an endpoint that is not there costs nothing. A token that etcd does not accept (any more) is
// fetched anew, once a request.
//
// Threads: one loop. Lifetime: outlives its calls. Failure: kUnavailable: none answered, with what
// each said and the way out; kDenied, by etcd or as its certificate is not the host's; kNotFound,
// kStale, kTooLarge, kNoSpace, as etcd says; kClosing after Close().
#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "http/client.h"
#include "sites/coordinator.h"
#include "sites/etcd_codec.h"
#include "sites/etcd_options.h"

namespace godwit::sites::etcd {

class Link {
 public:
  Link(boost::asio::any_io_executor executor, EtcdOptions options);

  // The answer's body.
  Answer<std::string> Ask(std::string path, std::string body);
  Answer<std::string> AskOnce(std::string path, std::string body);
  // Tells `take` each line of an endless answer of the preferred endpoint, until one of them fails.
  // Success: the time is over, or the endpoint was left: ask again. An endpoint that fails is left.
  using Take = std::function<Result<>(std::string_view line)>;
  Answer<> Follow(std::string path, std::string body, Take take);

  // What the refusal of a request, or the end of a watch, means. A token that was refused is
  // forgotten.
  Error Refused(const Refusal& refusal);
  const EtcdOptions& options() const { return options_; }
  void Close();

 private:
  struct Connection {
    std::unique_ptr<http::Client> client;
    bool proven = false;  // it has answered
  };
  // What a connection to an endpoint gets: a certificate counts for the host that is called.
  http::ClientOptions HttpOf(size_t endpoint) const;
  Connection Borrow(size_t endpoint);
  void GiveBack(size_t endpoint, Connection connection);
  void Leave(size_t endpoint);
  http::Request Post(std::string path, std::string body) const;
  Answer<std::string> AskAny(const std::string& path, const std::string& body, bool once);
  Answer<std::string> AskAt(size_t endpoint, const std::string& path, const std::string& body,
                            bool prove, bool& sent);
  Answer<std::string> Send(http::Client& client, const std::string& path, const std::string& body);
  Answer<> Authenticate(http::Client& client);
  std::unexpected<Error> Away(const std::string& reasons) const;

  boost::asio::any_io_executor executor_;
  EtcdOptions options_;
  std::vector<std::vector<Connection>> idle_;  // of each endpoint
  std::set<http::Client*> asking_;
  std::map<http::Client*, size_t> following_;  // which endpoint
  std::string token_;
  size_t preferred_ = 0;
  bool closed_ = false;
};

}  // namespace godwit::sites::etcd
