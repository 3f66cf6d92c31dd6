#pragma once

// AWS Lambda's REST API over the platform: what the AWS CLI, boto3 and the SDKs speak.
//
// Serves(), BodyLimit() and Handle() are what an HTTP server needs. A function's own failure is an
// answer of status 200 with X-Amz-Function-Error; other statuses mean that it could not be run.
// Signatures are not looked at. Threads: the loop. Lifetime: the platform, the entropy and this
// outlive every Handle(). Failure: none; every error is an answer in Lambda's form, and what is the
// node's own fault is logged. Source: Lambda API reference 2015-03-31.
#include <boost/asio/awaitable.hpp>
#include <boost/json/fwd.hpp>
#include <string>
#include <string_view>

#include "aws/lambda_error.h"
#include "aws/lambda_name.h"
#include "aws/lambda_route.h"
#include "base/entropy.h"
#include "base/log.h"
#include "functions/platform.h"
#include "http/message.h"

namespace godwit::aws {

class LambdaApi {
 public:
  LambdaApi(functions::Platform& platform, Identity self, Entropy& entropy, Log log);
  LambdaApi(const LambdaApi&) = delete;
  LambdaApi& operator=(const LambdaApi&) = delete;
  ~LambdaApi() = default;

  // Whether the request is for this API, by its path alone.
  static bool Serves(const http::Request& request) { return IsLambdaPath(request.path); }
  // For http::Limits::body_bytes.
  static size_t BodyLimit(std::string_view method, std::string_view path) {
    return LambdaBodyLimit(method, path);
  }

  boost::asio::awaitable<http::Response> Handle(http::Request request);

 private:
  using Answer = LambdaResult<http::Response>;

  boost::asio::awaitable<Answer> Perform(const Route& route, http::Request& request);
  // lambda_invoke.cc
  boost::asio::awaitable<Answer> Invoke(FunctionRef ref, http::Request& request);
  boost::asio::awaitable<Answer> RunToTheEnd(FunctionRef ref, functions::Platform::Call call,
                                             bool with_log);
  boost::asio::awaitable<Answer> Accept(FunctionRef ref, functions::Platform::Call call);
  boost::asio::awaitable<Answer> InvokeAsync(FunctionRef ref, http::Request& request);
  LambdaError WhyNotRun(const Error& error, const FunctionRef& ref) const;
  // lambda_functions.cc
  boost::asio::awaitable<Answer> CreateFunction(http::Request& request);
  boost::asio::awaitable<Answer> UpdateCode(FunctionRef ref, http::Request& request);
  boost::asio::awaitable<Answer> UpdateConfiguration(FunctionRef ref, http::Request& request);
  boost::asio::awaitable<Answer> Delete(FunctionRef ref);
  Answer Get(const FunctionRef& ref, const http::Request& request) const;
  Answer GetConfiguration(const FunctionRef& ref) const;
  Answer List(const http::Request& request) const;
  Answer ListTags(const FunctionRef& ref) const;
  // lambda_concurrency.cc
  boost::asio::awaitable<Answer> PutConcurrency(FunctionRef ref, http::Request& request);
  boost::asio::awaitable<Answer> DeleteConcurrency(FunctionRef ref);
  Answer GetConcurrency(const FunctionRef& ref) const;

  // The function that `ref` means, if there is one.
  LambdaResult<functions::Function> Lookup(const FunctionRef& ref) const;

  functions::Platform& platform_;
  Identity self_;
  Entropy& entropy_;
  Log log_;
};

// An answer of JSON, as every operation but Invoke gives.
http::Response JsonAnswer(int status, const boost::json::object& body);
http::Response EmptyAnswer(int status);

}  // namespace godwit::aws
