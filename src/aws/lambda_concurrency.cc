#include <boost/json/object.hpp>
#include <utility>

#include "aws/lambda_api.h"
#include "aws/lambda_decode.h"
#include "aws/lambda_json.h"
#include "base/try.h"

namespace godwit::aws {

namespace asio = boost::asio;

namespace {

functions::FunctionPatch PatchTo(int instances) {
  functions::FunctionPatch patch;
  patch.max_instances = instances;
  return patch;
}

}  // namespace

asio::awaitable<LambdaApi::Answer> LambdaApi::PutConcurrency(FunctionRef ref,
                                                             http::Request& request) {
  GODWIT_CO_TRY(const int instances, DecodeConcurrency(request.body));
  auto updated = co_await platform_.UpdateConfiguration(ref.name, PatchTo(instances));
  if (!updated) co_return std::unexpected(Translate(updated.error(), ref.Arn()));
  co_return JsonAnswer(200, ConcurrencyJson(*updated));
}

asio::awaitable<LambdaApi::Answer> LambdaApi::DeleteConcurrency(FunctionRef ref) {
  const auto updated = co_await platform_.UpdateConfiguration(ref.name, PatchTo(0));
  if (!updated) co_return std::unexpected(Translate(updated.error(), ref.Arn()));
  co_return EmptyAnswer(204);
}

LambdaApi::Answer LambdaApi::GetConcurrency(const FunctionRef& ref) const {
  GODWIT_TRY(const auto function, Lookup(ref));
  return JsonAnswer(200, ConcurrencyJson(function));
}

}  // namespace godwit::aws
