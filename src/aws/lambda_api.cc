#include "aws/lambda_api.h"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/try.h"

namespace godwit::aws {

namespace asio = boost::asio;

namespace {

constexpr std::string_view kRequestId = "x-amzn-RequestId";

std::unexpected<LambdaError> NotFound(std::string_view arn) {
  return std::unexpected(Translate(functions::FunctionNotFound(arn), arn));
}

LambdaResult<FunctionRef> RefIn(const Route& route, const http::Request& request,
                                const Identity& self) {
  const auto name = PercentDecode(route.function);
  return ParseFunctionRef(name.value_or(std::string(route.function)),
                          request.Param("Qualifier").value_or(""), self);
}

}  // namespace

LambdaApi::LambdaApi(functions::Platform& platform, Identity self, Entropy& entropy, Log log)
    : platform_(platform), self_(std::move(self)), entropy_(entropy), log_(std::move(log)) {}

http::Response JsonAnswer(int status, const boost::json::object& body) {
  return http::Json(status, boost::json::serialize(body));
}

http::Response EmptyAnswer(int status) {
  http::Response response;
  response.status = status;
  return response;
}

asio::awaitable<http::Response> LambdaApi::Handle(http::Request request) {
  const auto route = FindRoute(request.method, request.path);
  Answer answer =
      Refuse(LambdaCode::kUnknownOperation,
             "'{} {}' is no operation of Lambda's API (look at the method and the path)",
             request.method, request.path);
  if (route) answer = co_await Perform(*route, request);
  if (!answer && HttpStatus(answer.error().code) == 500) {
    log_.Error("{} failed: {}", route ? route->name : request.path, answer.error().message);
  }
  http::Response response = answer ? *std::move(answer) : ErrorResponse(answer.error());
  if (response.Get(kRequestId).empty()) {
    response.headers.emplace_back(std::string(kRequestId), RequestId::New(entropy_).text);
  }
  co_return response;
}

asio::awaitable<LambdaApi::Answer> LambdaApi::Perform(const Route& route, http::Request& request) {
  if (route.operation == Operation::kNotServed) {
    co_return Refuse(LambdaCode::kNotImplemented,
                     "Godwit does not serve {} (see its README for what it serves)", route.name);
  }
  if (route.operation == Operation::kCreateFunction) co_return co_await CreateFunction(request);
  if (route.operation == Operation::kListFunctions) co_return List(request);

  GODWIT_CO_TRY(FunctionRef ref, RefIn(route, request, self_));
  if (!ref.MeansLatest()) co_return NotFound(ref.QualifiedArn());
  switch (route.operation) {
    case Operation::kInvoke:
      co_return co_await Invoke(std::move(ref), request);
    case Operation::kInvokeAsync:
      co_return co_await InvokeAsync(std::move(ref), request);
    case Operation::kGetFunction:
      co_return Get(ref, request);
    case Operation::kDeleteFunction:
      co_return co_await Delete(std::move(ref));
    case Operation::kGetFunctionConfiguration:
      co_return GetConfiguration(ref);
    case Operation::kUpdateFunctionConfiguration:
      co_return co_await UpdateConfiguration(std::move(ref), request);
    case Operation::kUpdateFunctionCode:
      co_return co_await UpdateCode(std::move(ref), request);
    case Operation::kPutFunctionConcurrency:
      co_return co_await PutConcurrency(std::move(ref), request);
    case Operation::kGetFunctionConcurrency:
      co_return GetConcurrency(ref);
    case Operation::kDeleteFunctionConcurrency:
      co_return co_await DeleteConcurrency(std::move(ref));
    case Operation::kListTags:
      co_return ListTags(ref);
    case Operation::kCreateFunction:
    case Operation::kListFunctions:
    case Operation::kNotServed:
      break;
  }
  co_return Refuse(LambdaCode::kService, "{} has no handler", route.name);
}

LambdaResult<functions::Function> LambdaApi::Lookup(const FunctionRef& ref) const {
  auto found = platform_.Get(ref.name);
  if (!found) return std::unexpected(Translate(found.error(), ref.QualifiedArn()));
  return *std::move(found);
}

}  // namespace godwit::aws
