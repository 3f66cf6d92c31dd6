#pragma once

// Godwit's own REST API, under /godwit/v1: what Lambda's has no words for.
//
//   GET  /health                          {"status":"ok"}
//   GET  /node                            version, data folder, uptime, memory, counts, features
//   GET  /instances                       an array, as `godwit ps --json` prints it
//   GET  /instances?of=site               those of all nodes of the site: "node" says whose,
//                                         "error" who could not be asked
//   GET  /copies                          of instances of other nodes that are kept here
//   GET  /instances/ID                    one, with the history of its states
//   POST /instances/ID/suspend, /resume   what the move took and freed
//   POST /instances/ID/migrate            {"to":NODE,"mode":"auto"}: how it went
//   GET  /invocations/ID                  status and result of a call
//   GET  /invocations/ID/result           the result alone, as the function wrote it
//   POST /invocations/ID/callback         a callback: JSON, at most 1 MiB; 202
//   {"request_id","number"}
//                                         once it is durable. With Idempotency-Key (128 characters)
//                                         one that is sent again is the same one
//   GET  /functions/NAME/logs?bytes=N     the newest N bytes (65,536; at most 4 MiB), text/plain
//   GET  /functions/NAME/logs?after=PLACE the first bytes since an earlier look, whose PLACE was in
//                                         its header Godwit-Log-Next; Godwit-Log-Skipped: so many
//                                         that came since are kept no more
//   POST /functions/NAME/trial?for_ms=N   runs it once, with the body as its event (else {}), in an
//                                         instance of its own, for N ms at most (5,000; at most
//                                         900,000), and puts that into each tier: what it took, and
//                                         what stands in the way
//   GET  /functions/NAME/code             the zip
//   POST /uploads                         {"upload"}: a new one, of a container image's tar
//   PUT  /uploads/ID?at=N                 the tar's bytes from N on, at most 8 MiB at once;
//   {"bytes"} POST /uploads/ID/image                the tar is whole: unpacked, it is
//   {"image","bytes"}, where
//                                         image is the ImageUri for CreateFunction
// An error is {"error":{"code":"not_found","message":…}} with the code's status (base/error.h,
// base/code_name.h). Threads: the loop. Lifetime: the platform outlives this, and this outlives
// every Handle(). Failure: none; every error is an answer, and what is the node's own fault is
// logged.
#include <boost/asio/awaitable.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "admin/node_info.h"
#include "base/log.h"
#include "functions/platform.h"
#include "http/message.h"

namespace godwit::admin {

class AdminApi {
 public:
  AdminApi(functions::Platform& platform, NodeInfoProvider node, Log log);
  AdminApi(const AdminApi&) = delete;
  AdminApi& operator=(const AdminApi&) = delete;

  // Whether the request is for this API, by its path alone.
  static bool Serves(const http::Request& request) { return request.path.starts_with("/godwit/"); }
  // For http::Limits::body_bytes: nothing but a callback and an image takes a body worth the name.
  static size_t BodyLimit(std::string_view method, std::string_view path);

  boost::asio::awaitable<http::Response> Handle(http::Request request);

 private:
  using Answer = boost::asio::awaitable<Result<http::Response>>;
  struct Route;
  static const std::vector<Route>& Routes();

  Answer Health(std::string, const http::Request&);
  Answer Node(std::string, const http::Request&);
  Answer Instances(std::string, const http::Request&);
  Answer Instance(std::string id, const http::Request&);
  Answer Suspend(std::string id, const http::Request&);
  Answer Resume(std::string id, const http::Request&);
  Answer Migrate(std::string id, const http::Request& request);
  Answer SiteInstances();
  Answer Copies(std::string, const http::Request&);
  Answer Invocation(std::string id, const http::Request&);
  Answer InvocationResult(std::string id, const http::Request&);
  Answer Callback(std::string id, const http::Request& request);
  Answer Logs(std::string function, const http::Request& request);
  Answer Trial(std::string function, const http::Request& request);
  Answer Code(std::string function, const http::Request&);
  Answer BeginUpload(std::string, const http::Request&);
  Answer AddToUpload(std::string upload, const http::Request& request);
  Answer ImportUpload(std::string upload, const http::Request&);
  Result<functions::ImageUploads*> Uploads() const;
  Result<functions::Abroad*> Abroad() const;

  functions::Platform& platform_;
  NodeInfoProvider node_;
  Log log_;
};

// {"error":{…}} with the code's status.
http::Response ErrorAnswer(const Error& error);

}  // namespace godwit::admin
