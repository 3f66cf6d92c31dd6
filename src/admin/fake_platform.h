#pragma once

// A platform that a test fills in: its members are what it answers.
//
// Threads: one. Failure: kNotFound for what was not filled in.
#include <map>
#include <string>
#include <vector>

#include "functions/platform.h"

namespace godwit::admin {

class FakePlatform : public functions::Platform {
 public:
  template <typename T>
  using Later = boost::asio::awaitable<Result<T>>;

  std::vector<functions::Function> functions;
  std::vector<functions::InstanceView> instances;
  std::map<std::string, functions::CallRecord> calls;
  std::map<std::string, std::vector<functions::Transition>> histories;
  std::map<std::string, functions::Diagnosis> diagnoses;
  std::map<std::string, std::string> logs;
  Result<functions::MoveReport> moved = Fail(Code::kNotFound, "there is no such instance");
  std::vector<std::string> did;  // "suspend i-1", "logs f 100"

  Later<functions::Function> Create(functions::FunctionSpec, std::string) override {
    co_return Missing("function");
  }
  Later<functions::Function> UpdateCode(std::string, functions::Deployment) override {
    co_return Missing("function");
  }
  Later<functions::Function> UpdateConfiguration(std::string, functions::FunctionPatch) override {
    co_return Missing("function");
  }
  Later<void> Delete(std::string) override { co_return Missing("function"); }
  Result<functions::Function> Get(const std::string&) const override { return Missing("function"); }
  std::vector<functions::Function> List() const override { return functions; }
  Later<std::string> Zip(std::string name) override {
    for (const auto& function : functions) {
      if (function.spec.name == name) co_return "PK zip of " + name;
    }
    co_return Missing("function");
  }
  Later<functions::Outcome> Invoke(Call) override { co_return Missing("function"); }
  Later<RequestId> Submit(Call) override { co_return Missing("function"); }
  Later<functions::CallRecord> Find(RequestId id) override {
    co_return Look(calls, id.text, "invocation");
  }
  std::vector<functions::InstanceView> Instances() const override { return instances; }
  Later<functions::MoveReport> Suspend(InstanceId id) override {
    did.push_back("suspend " + id.text);
    co_return moved;
  }
  Later<functions::MoveReport> Resume(InstanceId id) override {
    did.push_back("resume " + id.text);
    co_return moved;
  }
  Later<functions::Diagnosis> Diagnose(std::string function) override {
    co_return Look(diagnoses, function, "function");
  }
  Later<std::string> Logs(std::string function, size_t limit) override {
    did.push_back("logs " + function + " " + std::to_string(limit));
    co_return Look(logs, function, "function");
  }
  Later<std::vector<functions::Transition>> History(InstanceId id) override {
    const auto found = histories.find(id.text);
    co_return found == histories.end() ? std::vector<functions::Transition>() : found->second;
  }

 private:
  static std::unexpected<Error> Missing(std::string_view what) {
    return Fail(Code::kNotFound, "there is no such {}", what);
  }
  template <typename T>
  static Result<T> Look(const std::map<std::string, T>& in, const std::string& name,
                        std::string_view what) {
    const auto found = in.find(name);
    if (found == in.end()) return Missing(what);
    return found->second;
  }
};

}  // namespace godwit::admin
