#include "node/machine.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <memory>

#include "checkpoint/features.h"

namespace godwit::node {
namespace {

struct Interpreter {
  const char* runtime;
  const char* path;    // as in ProgramOf(), for a sandbox has the host's /usr
  const char* before;  // what it says is "v18.20.4": the name is put in front
  const char* way_out;
};

constexpr Interpreter kInterpreters[] = {
    {"python3", "/usr/bin/python3", "", "functions in Python do not start (install python3)"},
    {"nodejs", "/usr/bin/node", "Node.js ",
     "functions in JavaScript do not start (install nodejs)"},
};

// The first line of what `PATH --version` says.
std::string VersionOf(const std::string& path) {
  struct Close {
    void operator()(FILE* file) const { ::pclose(file); }
  };
  const std::unique_ptr<FILE, Close> said(::popen((path + " --version 2>&1").c_str(), "re"));
  std::array<char, 200> line{};
  if (!said || std::fgets(line.data(), line.size(), said.get()) == nullptr) return "";
  std::string text = line.data();
  return text.substr(0, text.find('\n'));
}

}  // namespace

std::vector<Feature> ProbeMachine(const std::string& criu) {
  std::vector<Feature> features = checkpoint::ProbeFeatures(criu);
  for (const auto& one : kInterpreters) {
    const bool there = ::access(one.path, X_OK) == 0;
    features.push_back({one.runtime, there,
                        there ? fmt::format("{}{} at {}", one.before, VersionOf(one.path), one.path)
                              : fmt::format("not at {}", one.path),
                        one.way_out});
  }
  return features;
}

}  // namespace godwit::node
