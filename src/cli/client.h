#pragma once

// The node as the verbs reach it: over HTTP, with the node's errors turned back into Errors.
//
// Use Get() and Post() for Godwit's own API and Lambda's alike; both speak JSON. Nothing here times
// out: a call may take days. Threads: one. Lifetime: as long as the verb runs. Failure:
// kUnavailable without a node at the endpoint, with the way out in the text; else the code that the
// node sent, so that an exit code is the same as if the work had been done here.
#include <boost/json/fwd.hpp>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "http/message.h"

namespace godwit::cli {

// One request to a URL as http/url.h reads it, waited for.
using Transport = std::function<Result<http::Response>(std::string_view url, http::Request)>;

http::Request Ask(std::string_view method, std::string target);

class NodeClient {
 public:
  NodeClient(std::string endpoint, Transport transport);

  const std::string& endpoint() const { return endpoint_; }

  // An answer of status 200 to 299.
  Result<http::Response> Send(http::Request request);
  Result<boost::json::value> Get(std::string target);
  Result<boost::json::value> Post(std::string target, const boost::json::value& body);
  Result<boost::json::value> Put(std::string target, const boost::json::value& body);

 private:
  Result<boost::json::value> SendJson(std::string_view method, std::string target,
                                      const boost::json::value& body);
  Result<boost::json::value> Read(const http::Response& response);

  std::string endpoint_;
  Transport transport_;
};

// "127.0.0.1:9000" and "http://127.0.0.1:9000/" as "http://127.0.0.1:9000"; "unix:/path" as it is.
Result<std::string> ReadEndpoint(std::string_view text);

// The error in a node's answer: Godwit's {"error":{"code","message"}}, Lambda's {"Message"}, or the
// bare status. Never kUnavailable, for somebody has answered.
Error ErrorOf(const http::Response& response);

}  // namespace godwit::cli
