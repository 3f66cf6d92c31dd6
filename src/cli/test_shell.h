#pragma once

// A terminal with a scripted node behind it, for tests that read as transcripts.
//
//   TestShell shell;
//   shell.Answers("GET /godwit/v1/instances", 200, "[]");
//   EXPECT_EQ(shell.Type({"ps", "--json"}).out, "[]\n");
// Threads: one. Failure: what the script has no answer for is refused with 404.
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/feature.h"
#include "cli/client.h"
#include "cli/config.h"
#include "cli/output.h"
#include "cli/site_verb.h"
#include "http/message.h"

namespace godwit::cli {

struct Heard {
  int exit = 0;
  std::string out;
  std::string err;
};

class TestShell {
 public:
  // Answers in this order; the last one is given again and again.
  void Answers(const std::string& request, http::Response response);
  void Answers(const std::string& request, int status, std::string body);
  Heard Type(const std::vector<std::string>& words);

  // "POST /path body", one a request.
  std::vector<std::string> asked;
  std::vector<http::Request> requests;
  std::string url;       // where the last request went
  std::string input;     // standard input
  std::string endpoint;  // GODWIT_ENDPOINT
  Output::Style style;
  WallTime now;
  std::vector<Nanos> pauses;
  Transport transport;    // if set, it takes the place of the script
  bool reachable = true;  // false: connection refused
  std::vector<Feature> features;
  SiteWork site;                 // what `site init` and `site join` do
  NodeConfig started;            // what the verb `node` was run with
  std::optional<Error> refused;  // what it answers

 private:
  http::Response Answer(const http::Request& request);

  std::map<std::string, std::deque<http::Response>> answers_;
};

}  // namespace godwit::cli
