#pragma once

// The tables of a node's metadata (docs/formats/store.md), and the code that fills them.
//
// Each call is one change for the journal. Threads: the journal's. Failure: SQLite's, with the
// statement.
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "functions/codec.h"
#include "functions/lifecycle.h"
#include "functions/model.h"
#include "storage/blobs.h"
#include "storage/database.h"
#include "storage/migrations.h"

namespace godwit::functions {

std::span<const storage::Migration> Migrations();

// Functions.
Result<> PutFunction(storage::Database& database, const Function& function);
Result<> DropFunction(storage::Database& database, const std::string& name);
Result<std::vector<Function>> AllFunctions(storage::Database& database);

// Calls: Event calls from their acceptance on, synchronous ones from their first suspension on.
struct KeptCall {
  Invocation invocation;
  CallRecord record;
};
Result<> PutCall(storage::Database& database, const Invocation& invocation, CallStatus status,
                 const std::optional<InstanceId>& instance);
Result<> FinishCall(storage::Database& database, const Outcome& outcome, int attempt, WallTime at);
Result<std::optional<CallRecord>> FindCall(storage::Database& database, const RequestId& id);
// Those without a result, in the order in which they were accepted.
Result<std::vector<KeptCall>> UnfinishedCalls(storage::Database& database);
Result<> DropCallsFinishedBefore(storage::Database& database, WallTime time);

// Suspended instances.
struct KeptInstance {
  InstanceFacts facts;
  storage::BlobId image;
  uint64_t image_bytes = 0;
};
Result<> PutInstance(storage::Database& database, const KeptInstance& kept);
Result<> DropInstance(storage::Database& database, const InstanceId& id);
Result<std::vector<KeptInstance>> AllInstances(storage::Database& database);

// The newest kTransitionsKept moves of all instances together, in a ring.
inline constexpr int64_t kTransitionsKept = 65'536;
Result<> PutTransition(storage::Database& database, int64_t sequence, const Transition& transition);
Result<std::vector<Transition>> TransitionsOf(storage::Database& database, const InstanceId& id);
Result<int64_t> LastTransition(storage::Database& database);

}  // namespace godwit::functions
