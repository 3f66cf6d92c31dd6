#pragma once

// One function's container, as the Docker Engine is asked for it.
//
// It is as unprivileged as the native walls: no capabilities, no new privileges, a user of its own,
// a read-only root with a /tmp in memory, no network but a loopback device. It begins with Godwit's
// own starter (sandbox/init/await.h), which waits until the Runtime API listens. Threads: values.
// Failure: none. Source: Docker Engine API 1.41, ContainerCreate.
#include <string>
#include <vector>

#include "sandbox/cgroup.h"
#include "sandbox/sandbox.h"

namespace godwit::docker {

inline constexpr const char* kStoreLabel = "godwit.store";  // which node made it
inline constexpr const char* kRunPath = "/run/godwit";      // inside
inline constexpr const char* kStarterPath = "/run/godwit-start";

struct ContainerPlan {
  std::string name;   // of the instance
  std::string store;  // which node makes it
  std::string function;
  std::string image;
  sandbox::Program program;
  sandbox::CgroupLimits limits;
  int ephemeral_mb = 512;
  bool network = false;            // Docker's own bridge; else none
  std::string home;                // the instance's directory, with run/ in it
  std::string starter;             // the file of the starter on the host
  std::vector<std::string> binds;  // further ones, "/host:/inside:ro"
};

std::string ContainerJson(const ContainerPlan& plan);

}  // namespace godwit::docker
