#pragma once

// A platform for tests of the faces: functions in a map, calls answered by the test, and of all
// else what the test fills in.
//
// Threads: one loop. Failure: what the test sets, else kNotFound for what was not filled in.
#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "functions/platform.h"

namespace godwit::functions {

// Runs `work` on a loop of its own until it ends.
template <typename T>
T RunToEnd(boost::asio::awaitable<T> work) {
  boost::asio::io_context loop(1);
  std::optional<T> result;
  boost::asio::co_spawn(loop, std::move(work), [&](std::exception_ptr escaped, T value) {
    if (escaped) std::rethrow_exception(escaped);
    result.emplace(std::move(value));
  });
  loop.run();
  return *std::move(result);
}

class FakePlatform : public Platform {
 public:
  template <typename T>
  using Awaitable = boost::asio::awaitable<Result<T>>;

  std::map<std::string, Function> functions;
  std::vector<InstanceView> instances;
  std::map<std::string, CallRecord> records;
  std::map<std::string, std::vector<Transition>> histories;
  std::map<std::string, TrialReport> trials;
  std::vector<TrialRequest> tried;
  std::map<std::string, std::string> logs;
  uint64_t logs_skipped = 0;
  ImageUploads* uploads = nullptr;
  Result<MoveReport> moved = Fail(Code::kNotFound, "there is no such instance");
  std::vector<Call> calls;          // what was invoked and submitted
  std::vector<Callback> callbacks;  // what was delivered
  std::vector<std::string> did;     // "suspend i-1", "logs f 100"
  std::optional<Error> refuses;     // every call that changes or runs something
  std::optional<Deployment> deployed;
  std::function<Outcome(const Call&)> answers = [](const Call& call) {
    Outcome outcome;
    outcome.id.text = kRequestId;
    outcome.payload = call.payload;
    return outcome;
  };
  static constexpr const char* kRequestId = "4f8b0e4e-0d4a-4f0e-9d0c-3a1f5c8b7a11";

  // A function that is there without having been created.
  Function& Add(const std::string& name) {
    Function function;
    function.spec.name = name;
    function.spec.runtime = "python3.11";
    function.spec.handler = "app.handler";
    function.spec.role = "arn:aws:iam::000000000000:role/r";
    function.code_sha256 = "c2hh";
    function.code_bytes = 3;
    function.revision_id = "11111111-2222-4333-8444-555555555555";
    return functions[name] = function;
  }

  Awaitable<Function> Create(FunctionSpec spec, std::string zip) override {
    if (refuses) co_return std::unexpected(*refuses);
    if (functions.contains(spec.name))
      co_return Fail(Code::kConflict, "function '{}' exists", spec.name);
    Function& function = Add(spec.name);
    function.code_sha256 = ToBase64(Sha256(zip));
    function.code_bytes = zip.size();
    function.spec = std::move(spec);
    co_return function;
  }
  Awaitable<Function> UpdateCode(std::string name, Deployment deployment) override {
    if (refuses) co_return std::unexpected(*refuses);
    const auto found = functions.find(name);
    if (found == functions.end()) co_return Missing(name);
    deployed = std::move(deployment);
    Function updated = found->second;
    updated.code_bytes = deployed->zip.size();
    if (!deployed->dry_run) found->second = updated;
    co_return updated;
  }
  Awaitable<Function> UpdateConfiguration(std::string name, FunctionPatch patch) override {
    if (refuses) co_return std::unexpected(*refuses);
    const auto found = functions.find(name);
    if (found == functions.end()) co_return Missing(name);
    Function& function = found->second;
    if (patch.revision_id && *patch.revision_id != function.revision_id) {
      co_return Fail(Code::kStale, "the revision moved on");
    }
    if (patch.timeout) function.spec.timeout = *patch.timeout;
    if (patch.memory_mb) function.spec.memory_mb = *patch.memory_mb;
    if (patch.description) function.spec.description = *patch.description;
    if (patch.environment) function.spec.environment = *patch.environment;
    if (patch.max_instances) function.spec.max_instances = *patch.max_instances;
    co_return function;
  }
  boost::asio::awaitable<Result<>> Delete(std::string name) override {
    if (functions.erase(name) == 0) co_return Missing(name);
    co_return Result<>();
  }
  Result<Function> Get(const std::string& name) const override {
    const auto found = functions.find(name);
    if (found == functions.end()) return Missing(name);
    return found->second;
  }
  std::vector<Function> List() const override {
    std::vector<Function> list;
    for (const auto& [name, function] : functions) list.push_back(function);
    return list;
  }
  ImageUploads* images() override { return uploads; }
  Awaitable<std::string> Zip(std::string name) override {
    if (!functions.contains(name)) co_return Missing(name);
    co_return "PK zip of " + name;
  }

  Awaitable<Outcome> Invoke(Call call) override {
    if (refuses) co_return std::unexpected(*refuses);
    if (!functions.contains(call.function)) co_return Missing(call.function);
    calls.push_back(std::move(call));
    co_return answers(calls.back());
  }
  Awaitable<RequestId> Submit(Call call) override {
    if (refuses) co_return std::unexpected(*refuses);
    if (!functions.contains(call.function)) co_return Missing(call.function);
    calls.push_back(std::move(call));
    co_return RequestId{kRequestId};
  }
  Awaitable<CallRecord> Find(RequestId id) override {
    const auto found = records.find(id.text);
    if (found == records.end()) co_return Fail(Code::kNotFound, "there is no call '{}'", id.text);
    co_return found->second;
  }
  Awaitable<uint32_t> Deliver(Callback callback) override {
    if (refuses) co_return std::unexpected(*refuses);
    if (!records.contains(callback.call.text))
      co_return Fail(Code::kNotFound, "there is no call '{}'", callback.call.text);
    callbacks.push_back(std::move(callback));
    co_return static_cast<uint32_t>(callbacks.size() - 1);
  }

  std::vector<InstanceView> Instances() const override { return instances; }
  Result<placement::Facts> Why(const InstanceId& id) const override {
    if (why.empty()) return Fail(Code::kNotFound, "there is no instance '{}'", id.text);
    return why;
  }
  Awaitable<MoveReport> Suspend(InstanceId id, Tier) override {
    did.push_back("suspend " + id.text);
    co_return moved;
  }
  Awaitable<MoveReport> Resume(InstanceId id) override {
    did.push_back("resume " + id.text);
    co_return moved;
  }
  placement::Facts why;
  Awaitable<TrialReport> Try(std::string function, TrialRequest request) override {
    tried.push_back(std::move(request));
    co_return Look(trials, function);
  }
  Awaitable<LogText> Logs(std::string function, LogRange asked) override {
    did.push_back("logs " + function + " " + std::to_string(asked.bytes));
    if (asked.after) did.back() += " after " + std::to_string(*asked.after);
    auto text = Look(logs, function);
    if (!text) co_return std::unexpected(text.error());
    LogText read;
    read.next = text->size();
    read.text = text->substr(std::min<size_t>(asked.after.value_or(0), text->size()));
    read.skipped = logs_skipped;
    co_return read;
  }
  Awaitable<std::vector<Transition>> History(InstanceId id) override {
    const auto found = histories.find(id.text);
    co_return found == histories.end() ? std::vector<Transition>() : found->second;
  }

 private:
  static std::unexpected<Error> Missing(const std::string& name) {
    return Fail(Code::kNotFound, "there is no '{}'", name);
  }
  template <typename T>
  static Result<T> Look(const std::map<std::string, T>& in, const std::string& name) {
    const auto found = in.find(name);
    if (found == in.end()) return std::unexpected(FunctionNotFound(name));
    return found->second;
  }
};

}  // namespace godwit::functions
