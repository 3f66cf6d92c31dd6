#include "docker/engine.h"

#include <boost/json.hpp>

#include "base/bytes.h"
#include "base/try.h"

namespace godwit::docker {

namespace json = boost::json;
using std::chrono_literals::operator""s;

namespace {

constexpr Nanos kPatience = 60s;
constexpr size_t kMaxAnswer = size_t{16} << 20;

const json::value* Find(const json::value& value, std::string_view key) {
  const auto* object = value.if_object();
  return object == nullptr ? nullptr : object->if_contains(key);
}

std::string Text(const json::value& value, std::string_view key) {
  const auto* found = Find(value, key);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : "";
}

int64_t Number(const json::value& value, std::string_view key) {
  const auto* found = Find(value, key);
  return found != nullptr && found->is_int64() ? found->get_int64() : 0;
}

bool Flag(const json::value& value, std::string_view key) {
  const auto* found = Find(value, key);
  return found != nullptr && found->is_bool() && found->get_bool();
}

std::vector<std::string> Texts(const json::value& value, std::string_view key) {
  std::vector<std::string> texts;
  const auto* found = Find(value, key);
  if (found == nullptr || !found->is_array()) return texts;
  for (const auto& one : found->get_array()) {
    if (one.is_string()) texts.emplace_back(one.get_string());
  }
  return texts;
}

http::Request Ask(std::string_view method, std::string target) {
  http::Request request;
  request.method = method;
  request.target = std::move(target);
  return request;
}

Code CodeOf(int status) {
  switch (status) {
    case 400:
      return Code::kInvalid;
    case 404:
      return Code::kNotFound;
    case 409:
      return Code::kConflict;
    default:
      return Code::kUnavailable;
  }
}

std::unexpected<Error> Refused(const std::string& socket, const http::Request& request,
                               const http::Response& response) {
  boost::system::error_code unreadable;
  const json::value body = json::parse(response.body, unreadable);
  std::string said = unreadable ? "" : Text(body, "message");
  if (said.empty()) said = fmt::format("status {}", response.status);
  const std::string what = request.target.substr(0, request.target.find('?'));
  return Fail(CodeOf(response.status), "the Docker Engine at '{}' does not {} {}: {}", socket,
              request.method, what, said);
}

}  // namespace

Engine::Engine(boost::asio::any_io_executor executor, std::string socket)
    : executor_(std::move(executor)), socket_(std::move(socket)) {}

Engine::Answer<http::Response> Engine::Send(http::Request request, Nanos timeout) {
  http::ClientOptions options;
  options.body_bytes = kMaxAnswer;
  options.way_out = "start Docker, or say with docker_socket where it is";
  http::Client client(executor_, "unix:" + socket_, options);
  auto response = co_await client.Fetch(request, timeout);
  if (!response) {
    co_return std::move(response).Within("the Docker Engine at '{}' does not answer", socket_);
  }
  if (response->status >= 400) co_return Refused(socket_, request, *response);
  co_return response;
}

Engine::Answer<json::value> Engine::SendJson(http::Request request) {
  GODWIT_CO_TRY(const http::Response response, co_await Send(std::move(request), kPatience));
  boost::system::error_code error;
  json::value value = json::parse(response.body, error);
  if (error) co_return Fail(Code::kCorrupt, "what answers at '{}' is no Docker Engine", socket_);
  co_return value;
}

Engine::Answer<> Engine::Do(std::string_view method, std::string target) {
  GODWIT_CO_TRY(co_await Send(docker::Ask(method, std::move(target)), kPatience));
  co_return Result<>{};
}

Engine::Answer<EngineFacts> Engine::Ask() {
  GODWIT_CO_TRY(const json::value value, co_await SendJson(docker::Ask("GET", "/version")));
  co_return EngineFacts{Text(value, "Version"), Flag(value, "Experimental")};
}

Engine::Answer<ImageFacts> Engine::FindImage(std::string name) {
  // Slashes stay: "library/python:3.12" is looked up as it is written.
  std::string path = "/images/";
  for (const char c : name) path += c == '/' ? "/" : PercentEncode(std::string_view(&c, 1));
  GODWIT_CO_TRY(const json::value value, co_await SendJson(docker::Ask("GET", path + "/json")));
  ImageFacts facts;
  facts.id = Text(value, "Id");
  facts.bytes = static_cast<uint64_t>(std::max<int64_t>(Number(value, "Size"), 0));
  if (const auto* config = Find(value, "Config")) {
    facts.entrypoint = Texts(*config, "Entrypoint");
    facts.command = Texts(*config, "Cmd");
    facts.environment = Texts(*config, "Env");
    facts.directory = Text(*config, "WorkingDir");
  }
  co_return facts;
}

Engine::Answer<> Engine::ImportImage(std::string name, std::string tar) {
  const size_t colon = name.rfind(':');
  http::Request request = docker::Ask(
      "POST",
      fmt::format("/images/create?fromSrc=-&repo={}&tag={}", PercentEncode(name.substr(0, colon)),
                  colon == std::string::npos ? "latest" : name.substr(colon + 1)));
  request.headers.push_back({"Content-Type", "application/x-tar"});
  request.body = std::move(tar);
  GODWIT_CO_TRY(const http::Response response, co_await Send(std::move(request), kPatience));
  // It answers 200 before it knows.
  if (response.body.contains("\"error\""))
    co_return Fail(Code::kUnavailable, "the Docker Engine at '{}' does not take '{}': {}", socket_,
                   name, response.body.substr(0, 300));
  co_return Result<>{};
}

Engine::Answer<std::string> Engine::Create(std::string name, std::string settings) {
  http::Request request = docker::Ask("POST", "/containers/create?name=" + PercentEncode(name));
  request.headers.push_back({"Content-Type", "application/json"});
  request.body = std::move(settings);
  GODWIT_CO_TRY(const json::value value, co_await SendJson(std::move(request)));
  std::string id = Text(value, "Id");
  if (id.empty())
    co_return Fail(Code::kCorrupt, "what answers at '{}' is no Docker Engine", socket_);
  co_return id;
}

Engine::Answer<> Engine::Start(std::string container) {
  return Do("POST", fmt::format("/containers/{}/start", container));
}

Engine::Answer<ContainerState> Engine::Look(std::string container) {
  GODWIT_CO_TRY(
      const json::value value,
      co_await SendJson(docker::Ask("GET", fmt::format("/containers/{}/json", container))));
  ContainerState state;
  if (const auto* said = Find(value, "State")) {
    state.running = Flag(*said, "Running");
    state.paused = Flag(*said, "Paused");
    state.pid = static_cast<int>(Number(*said, "Pid"));
    state.exit_code = static_cast<int>(Number(*said, "ExitCode"));
    state.out_of_memory = Flag(*said, "OOMKilled");
  }
  co_return state;
}

Engine::Answer<> Engine::Pause(std::string container) {
  return Do("POST", fmt::format("/containers/{}/pause", container));
}

Engine::Answer<> Engine::Unpause(std::string container) {
  return Do("POST", fmt::format("/containers/{}/unpause", container));
}

Engine::Answer<> Engine::Remove(std::string container) {
  Result<> gone = co_await Do("DELETE", fmt::format("/containers/{}?force=1&v=1", container));
  if (!gone && gone.error().code() == Code::kNotFound) co_return Result<>{};
  co_return gone;
}

Engine::Answer<std::vector<std::string>> Engine::List(std::string label) {
  const json::value filters = json::object{{"label", json::array{label}}};
  GODWIT_CO_TRY(const json::value value,
                co_await SendJson(docker::Ask("GET", "/containers/json?all=1&filters=" +
                                                         PercentEncode(json::serialize(filters)))));
  std::vector<std::string> ids;
  if (!value.is_array()) co_return ids;
  for (const auto& one : value.get_array()) ids.push_back(Text(one, "Id"));
  co_return ids;
}

Engine::Answer<> Engine::FollowLogs(std::string container, http::Client::Sink sink) {
  http::ClientOptions options;
  options.way_out = "start Docker, or say with docker_socket where it is";
  http::Client client(executor_, "unix:" + socket_, options);
  const auto request =
      docker::Ask("GET", fmt::format("/containers/{}/logs?follow=1&stdout=1&stderr=1", container));
  auto response = co_await client.FetchStream(request, std::move(sink));
  if (!response) co_return std::unexpected(std::move(response).error());
  if (response->status >= 400) co_return Refused(socket_, request, *response);
  co_return Result<>{};
}

}  // namespace godwit::docker
