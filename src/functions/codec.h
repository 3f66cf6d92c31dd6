#pragma once

// The model as JSON text, as it is kept in the store and in images.
//
// Threads: values. Failure: kCorrupt for text that is not what was written; fields that are missing
// keep their defaults, so that a newer program reads what an older one kept.
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "checkpoint/waits.h"
#include "functions/model.h"
#include "functions/runtime_port.h"
#include "network/waiting_room.h"
#include "storage/blobs.h"

namespace godwit::functions {

std::string FunctionToJson(const Function& function);
Result<Function> FunctionFromJson(std::string_view text);

// An image whose pages another image of the same function refers to, and what opens it.
struct BaseFacts {
  storage::BlobId image;
  std::string image_key;
  InstanceId instance;
  uint64_t sequence = 0;
  bool operator==(const BaseFacts&) const = default;
};

// All that is needed to bring a suspended instance back, beside its image.
struct InstanceFacts {
  InstanceId instance;
  uint64_t sequence = 0;         // of this suspension among the instance's, from 1
  std::string image_key;         // of its image alone: see image_bond.h
  std::vector<BaseFacts> bases;  // of its image
  // Never null. One object for all that were read together and have the same.
  std::shared_ptr<const Function> function = std::make_shared<const Function>();
  uint32_t uid = 0;
  int pid = 0;          // of the function's first process, inside
  int highest_pid = 0;  // inside, of all its processes and threads
  std::vector<SavedSession> sessions;
  network::Address address;        // of its link, if it has one
  std::vector<network::Ear> ears;  // its sockets, to whom somebody outside may speak
  std::vector<checkpoint::Timeout> timeouts;
  Nanos clock{};                   // the instance's CLOCK_MONOTONIC when it was dumped
  Nanos timers_read{};             // the same, when its timers were read
  Nanos clock_offset{};            // of it to the host's, within boot `boot`
  WallTime wall;                   // when it was dumped
  std::string boot;                // the kernel's boot id
  std::optional<Nanos> deadline;   // of what it waits for, on its own clock
  std::optional<Invocation> call;  // that it runs; without its payload, which it has
  Nanos awake{};                   // the call's time awake so far
  // Of whoever owns it, in the site's registry, when this was written; 0: nobody else knows of it.
  int64_t epoch = 0;
};

std::string FactsToJson(const InstanceFacts& facts);
// kUnsupported for those of a newer program.
Result<InstanceFacts> FactsFromJson(std::string_view text);

}  // namespace godwit::functions
