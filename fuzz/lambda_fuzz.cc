// Any bytes as an HTTP request to Lambda's REST API: every answer is one that a client can read.
#include <boost/json/parse.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "aws/lambda_api.h"
#include "functions/fake_platform.h"
#include "http/limits.h"
#include "http/request_parser.h"

namespace {

using godwit::aws::LambdaApi;

void Require(bool holds) {
  if (!holds) std::abort();
}

void CheckAnswer(const godwit::http::Response& response, bool echoes) {
  Require(response.status >= 200 && response.status < 600);
  Require(!response.Get("x-amzn-RequestId").empty());
  for (const auto& header : response.headers) {
    Require(header.value.find_first_of("\r\n") == std::string::npos);
  }
  if (response.status >= 400) Require(!response.Get("x-amzn-ErrorType").empty());
  if (echoes || response.body.empty()) return;
  boost::system::error_code failed;
  boost::json::parse(response.body, failed);
  Require(!failed);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  godwit::http::Limits limits;
  limits.body_bytes = LambdaApi::BodyLimit;
  godwit::http::RequestParser parser(limits);
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (!parser.Feed(bytes) || !parser.done()) return 0;
  godwit::http::Request request = parser.Take();
  if (!LambdaApi::Serves(request)) return 0;

  godwit::functions::FakePlatform platform;
  platform.Add("greeter");
  godwit::SystemEntropy entropy;
  LambdaApi api(platform, {}, entropy, godwit::Log("fuzz", godwit::LogLevel::kOff));
  const auto response = godwit::functions::RunToEnd(api.Handle(std::move(request)));
  // A function gets what is JSON, and what it answers is passed on as it is.
  for (const auto& call : platform.calls) {
    boost::system::error_code failed;
    boost::json::parse_options options;
    options.max_depth = 1000;
    boost::json::parse(call.payload, failed, {}, options);
    Require(!failed);
  }
  CheckAnswer(response, response.status == 200 && !platform.calls.empty());
  return 0;
}
