#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "aws/lambda_api.h"
#include "aws/lambda_decode.h"
#include "aws/lambda_json.h"
#include "aws/lambda_violations.h"
#include "aws/text.h"
#include "base/try.h"

namespace godwit::aws {

namespace asio = boost::asio;
namespace json = boost::json;

namespace {

constexpr int64_t kPage = 50;  // Lambda lists no more at once, whatever MaxItems says

std::string OriginOf(const http::Request& request) {
  const std::string_view host = request.Get("Host");
  return fmt::format("http://{}", host.empty() ? "127.0.0.1" : Printable(host));
}

LambdaResult<int64_t> PageSize(const http::Request& request) {
  const auto given = request.Param("MaxItems");
  if (!given) return kPage;
  int64_t items = 0;
  const auto [end, failed] = std::from_chars(given->data(), given->data() + given->size(), items);
  if (failed != std::errc() || end != given->data() + given->size()) {
    return Refuse(LambdaCode::kSerialization, "cannot read 'MaxItems': it is not an integer");
  }
  Violations violations;
  violations.Range("maxItems", items, 1, 10000);
  GODWIT_TRY(violations.Check());
  return std::min(items, kPage);
}

}  // namespace

asio::awaitable<LambdaApi::Answer> LambdaApi::CreateFunction(http::Request& request) {
  GODWIT_CO_TRY(CreateRequest create, DecodeCreate(request.body));
  request.body = std::string();  // the zip is decoded: tens of megabytes are not needed twice
  GODWIT_CO_TRY(const FunctionRef ref, ParseFunctionRef(create.function_name, "", self_));
  if (!ref.qualifier.empty()) {
    co_return Refuse(LambdaCode::kInvalidParameterValue, "Unsupported function name: {}",
                     create.function_name);
  }
  create.spec.name = ref.name;
  auto created = co_await platform_.Create(std::move(create.spec), std::move(create.zip));
  if (created) co_return JsonAnswer(201, ConfigurationJson(*created, ref));
  if (created.error().code() == Code::kConflict) {
    co_return Refuse(LambdaCode::kResourceConflict, "Function already exist: {}", ref.name);
  }
  co_return std::unexpected(Translate(created.error(), ref.Arn()));
}

asio::awaitable<LambdaApi::Answer> LambdaApi::UpdateCode(FunctionRef ref, http::Request& request) {
  GODWIT_CO_TRY(auto deployment, DecodeUpdateCode(request.body));
  request.body = std::string();
  auto updated = co_await platform_.UpdateCode(ref.name, std::move(deployment));
  if (!updated) co_return std::unexpected(Translate(updated.error(), ref.QualifiedArn()));
  co_return JsonAnswer(200, ConfigurationJson(*updated, ref));
}

asio::awaitable<LambdaApi::Answer> LambdaApi::UpdateConfiguration(FunctionRef ref,
                                                                  http::Request& request) {
  GODWIT_CO_TRY(auto patch, DecodeUpdateConfiguration(request.body));
  auto updated = co_await platform_.UpdateConfiguration(ref.name, std::move(patch));
  if (!updated) co_return std::unexpected(Translate(updated.error(), ref.QualifiedArn()));
  co_return JsonAnswer(200, ConfigurationJson(*updated, ref));
}

asio::awaitable<LambdaApi::Answer> LambdaApi::Delete(FunctionRef ref) {
  if (!ref.qualifier.empty()) {
    co_return Refuse(LambdaCode::kInvalidParameterValue,
                     "$LATEST version cannot be deleted without deleting the function.");
  }
  const auto deleted = co_await platform_.Delete(ref.name);
  if (!deleted) co_return std::unexpected(Translate(deleted.error(), ref.Arn()));
  co_return EmptyAnswer(204);
}

LambdaApi::Answer LambdaApi::Get(const FunctionRef& ref, const http::Request& request) const {
  GODWIT_TRY(const auto function, Lookup(ref));
  return JsonAnswer(200, FunctionJson(function, ref, OriginOf(request)));
}

LambdaApi::Answer LambdaApi::GetConfiguration(const FunctionRef& ref) const {
  GODWIT_TRY(const auto function, Lookup(ref));
  return JsonAnswer(200, ConfigurationJson(function, ref));
}

LambdaApi::Answer LambdaApi::List(const http::Request& request) const {
  GODWIT_TRY(const int64_t page, PageSize(request));
  const std::string marker =
      request.Param("Marker").value_or("");  // the last name of the page before
  const bool all_versions = request.Param("FunctionVersion") == "ALL";
  const std::vector<functions::Function> functions = platform_.List();
  const auto name_of = [](const functions::Function& function) -> const std::string& {
    return function.spec.name;
  };
  const auto first = std::ranges::upper_bound(functions, marker, {}, name_of);
  const auto last = first + std::min<int64_t>(page, functions.end() - first);
  json::array list;
  FunctionRef ref;
  ref.region = self_.region;
  ref.account = self_.account;
  if (all_versions) ref.qualifier = "$LATEST";
  for (auto at = first; at != last; ++at) {
    ref.name = at->spec.name;
    list.push_back(ConfigurationJson(*at, ref));
  }
  json::object out{{"Functions", std::move(list)}};
  if (last != functions.end()) out["NextMarker"] = (last - 1)->spec.name;
  return JsonAnswer(200, out);
}

LambdaApi::Answer LambdaApi::ListTags(const FunctionRef& ref) const {
  GODWIT_TRY(const auto function, Lookup(ref));
  json::object tags;
  for (const auto& [key, value] : function.spec.tags) tags.emplace(key, value);
  return JsonAnswer(200, {{"Tags", std::move(tags)}});
}

}  // namespace godwit::aws
