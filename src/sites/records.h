#pragma once

// What a site's registry has written down, as JSON with a version (docs/formats/registry.md).
//
// Threads: values. Failure: kUnsupported for what a newer program wrote, with the way out;
// kCorrupt, naming the key, for what is no such record; kInvalid for a record that must not be
// written; kTooLarge.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"

namespace godwit::sites {

// A node that belongs to the site.
struct Member {
  std::string name{};
  std::string address{};      // of its site port: host:port
  std::string fingerprint{};  // of its certificate
  std::string version{};      // of Godwit, when it joined
  WallTime joined{};
  bool operator==(const Member&) const = default;
};

// A token that lets one node join. Whoever holds it once, holds it: see Registry::TakeToken().
struct Token {
  std::string hash{};   // of its secret: lower-case hexadecimal digits
  std::string taker{};  // who took it; empty: nobody yet
  int64_t lease = 0;    // with which it goes
  bool operator==(const Token&) const = default;
};

// Who lives: goes with its lease.
struct Living {
  std::string name{};
  std::string holder{};  // which run of which store: see presence.h
  bool operator==(const Living&) const = default;
};

struct SharedFunction {
  std::string name{};
  std::string revision{};  // the function's revision id
  std::string json{};      // as the functions' codec has it; text
  bool operator==(const SharedFunction&) const = default;
};

// Where an instance lives. `epoch` is the fencing token: it grows with each change of owner.
struct InstanceRecord {
  std::string id{};
  std::string owner{};  // a node's name
  int64_t epoch = 0;    // from 1
  std::string function{};
  std::string revision{};  // of the function
  std::string call{};      // the request it is busy with; empty: none
  std::string home{};      // the node where the caller of that waits; empty: nobody waits
  int64_t sequence = 0;    // of its newest image that is safe elsewhere; 0: none
  std::vector<std::string> replicas{};  // the nodes that have that image
  bool operator==(const InstanceRecord&) const = default;
};

// 1 to 63 lower-case letters, digits and '-', with neither at the ends '-': safe in a key, a path
// and a host's name.
bool IsNodeName(std::string_view text);

std::string ToJson(const Member& member);
std::string ToJson(const Token& token);
std::string ToJson(const Living& living);
std::string ToJson(const SharedFunction& function);
std::string ToJson(const InstanceRecord& instance);

// `key` is where it was found: it ends with the record's name.
Result<Member> ReadMember(std::string_view key, std::string_view json);
Result<Token> ReadToken(std::string_view key, std::string_view json);
Result<Living> ReadLiving(std::string_view key, std::string_view json);
Result<SharedFunction> ReadFunction(std::string_view key, std::string_view json);
Result<InstanceRecord> ReadInstance(std::string_view key, std::string_view json);

}  // namespace godwit::sites
