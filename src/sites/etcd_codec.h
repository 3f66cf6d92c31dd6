#pragma once

// etcd's v3 JSON gateway: requests as text, answers out of text, apart from all I/O.
//
// The messages are those of etcdserverpb/rpc.proto as grpc-gateway writes them: bytes are base64,
// 64-bit numbers are strings, fields with their default value are left out. An answer is untrusted:
// each field that is read has the right kind and is in range, or the whole answer is refused;
// fields that are not read may be anything. Threads: values. Failure: kCorrupt for what is no such
// answer. Source: https://etcd.io/docs/v3.4/dev-guide/api_grpc_gateway/.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sites/coordinator.h"

namespace godwit::sites::etcd {

// `end`: behind the last key; none: the key alone. `revision` 0: the newest.
std::string RangeRequest(std::string_view key, const std::optional<std::string>& end, int64_t limit,
                         int64_t revision);
std::string TxnRequest(const std::vector<Compare>& compares, const std::vector<Change>& changes);
std::string GrantRequest(int64_t seconds);
std::string LeaseRequest(LeaseId lease);  // to keep it alive, or to revoke it
std::string WatchRequest(std::string_view key, const std::optional<std::string>& end, int64_t from);
std::string AuthRequest(std::string_view user, std::string_view password);

struct Range {
  std::vector<Entry> entries{};
  bool more = false;     // there are entries beyond the limit
  int64_t revision = 0;  // the newest of the store
};
Result<Range> ReadRange(std::string_view body);
// Whether the compares held.
Result<bool> ReadTxn(std::string_view body);
struct Grant {
  LeaseId lease{};
  int64_t seconds = 0;  // zero: it has ended
};
Result<Grant> ReadGrant(std::string_view body);
// The answer is a stream of one line.
Result<Grant> ReadKeepAlive(std::string_view body);
Result<std::string> ReadToken(std::string_view body);

// One line of a watch.
struct Watched {
  std::vector<Event> events{};
  bool fragment = false;  // more of the same events follow in the next line
  bool cancelled = false;
  int64_t compacted = 0;  // cancelled, as everything before this revision is gone
  std::string reason{};   // of another end
};
Result<Watched> ReadWatched(std::string_view line);

// What the gateway says instead of an answer. The code is gRPC's.
struct Refusal {
  int code = 2;  // unknown
  std::string text{};
};
Refusal ReadRefusal(int status, std::string_view body);
// Out of the text of a watch's end: "rpc error: code = Unauthenticated desc = ...".
Refusal ReadReason(std::string_view reason);

}  // namespace godwit::sites::etcd
