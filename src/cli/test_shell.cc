#include "cli/test_shell.h"

#include <sstream>

#include "cli/node_verb.h"
#include "cli/run.h"
#include "cli/verbs.h"

namespace godwit::cli {
namespace {

class StillClock : public Clock {
 public:
  explicit StillClock(WallTime now) : now_(now) {}
  WallTime Wall() const override { return now_; }
  SteadyTime Steady() const override { return {}; }

 private:
  WallTime now_;
};

}  // namespace

void TestShell::Answers(const std::string& request, http::Response response) {
  answers_[request].push_back(std::move(response));
}

void TestShell::Answers(const std::string& request, int status, std::string body) {
  Answers(request, http::Json(status, std::move(body)));
}

http::Response TestShell::Answer(const http::Request& request) {
  const auto found = answers_.find(request.method + " " + request.target);
  if (found == answers_.end()) {
    return http::Json(404, R"({"error":{"code":"not_found","message":"there is no such thing"}})");
  }
  http::Response response = found->second.front();
  if (found->second.size() > 1) found->second.pop_front();
  return response;
}

Heard TestShell::Type(const std::vector<std::string>& words) {
  std::ostringstream out, err;
  std::istringstream in(input);
  Output output(out, err, style);
  const StillClock clock(now);
  const auto verbs = Verbs(
      NodeVerb([this](const NodeConfig& config, Output&) -> Result<> {
        started = config;
        if (refused) return std::unexpected(*refused);
        return {};
      }),
      [this] { return features; }, site);
  const Transport script = [this](std::string_view to,
                                  http::Request request) -> Result<http::Response> {
    url = to;
    if (!reachable) return Fail(Code::kUnavailable, "cannot reach '{}': Connection refused", to);
    asked.push_back(request.method + " " + request.target +
                    (request.body.empty() ? "" : " " + request.body));
    requests.push_back(request);
    return Answer(request);
  };
  const int exit = Run(verbs, words,
                       {.transport = transport ? transport : script,
                        .out = output,
                        .in = in,
                        .clock = clock,
                        .pause = [this](Nanos span) { pauses.push_back(span); },
                        .endpoint = endpoint});
  return {exit, out.str(), err.str()};
}

}  // namespace godwit::cli
