#pragma once

// What a user deploys and calls: functions, invocations, and what they come to.
//
// Value types: copied, compared, stored. The words and limits are AWS Lambda's (API reference
// 2015-03-31), but for time: a call may wait for days, because time put away does not count against
// `timeout`. Threads: values. Failure: none.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/ids.h"
#include "images/image_json.h"

namespace godwit::functions {

inline constexpr size_t kMaxSyncPayload = 6 * 1024 * 1024;  // bytes, Lambda: 6 MB
inline constexpr size_t kMaxEventPayload = 1024 * 1024;     // bytes, Lambda: 1 MB
inline constexpr size_t kMaxCallback = kMaxEventPayload;    // bytes
inline constexpr size_t kMaxCallbackKey = 128;              // characters
inline constexpr uint32_t kMaxWaitingCallbacks = 1000;      // of a call, that it has not taken
inline constexpr size_t kMaxResponse =
    6 * 1024 * 1024 + 100;  // bytes, as Lambda's Runtime API takes
inline constexpr size_t kMaxCode =
    50 * 1024 * 1024;                     // bytes of zip, Lambda: 50 MB by direct upload
inline constexpr size_t kLogTail = 4096;  // bytes of log that `LogType=Tail` returns

// The settings of a function that its owner chooses.
struct FunctionSpec {
  std::string name;     // 1 to 64 of [A-Za-z0-9_-]
  std::string runtime;  // an AWS identifier such as "python3.11", "nodejs20.x", "provided.al2023",
                        // or "python3", "nodejs"
  std::string handler;  // "module.function"; unused by provided runtimes
  std::string role;     // kept and shown, not used
  std::string description;
  std::chrono::seconds timeout{3};  // of time awake, 1 to 900
  int memory_mb = 128;              // 128 to 10,240
  int ephemeral_mb = 512;           // of /tmp, 512 to 10,240
  std::map<std::string, std::string> environment;
  std::map<std::string, std::string> tags;
  int max_instances = 0;  // 0: the node's limit
  // Of VpcConfig, as they were given: with any, its instances have a network.
  std::vector<std::string> subnets;
  // SnapStart.ApplyOn: true for PublishedVersions, false for None; the node's default if absent.
  std::optional<bool> snap_start;
  std::string warm_up;  // JSON text of an event for its template to run once; empty: none
  // PackageType Image: "sha256:…" of one that was sent to this node, or its name at the Docker
  // Engine. Empty: a zip.
  std::string image;
  images::ImageConfig image_config;  // what its owner has set instead of the image's own
  std::string engine;                // kNative, kDocker; empty: the node's, until it is deployed
};

// A function as it is deployed: its spec and what the platform knows of it.
struct Function {
  FunctionSpec spec;
  std::string version = "$LATEST";
  std::string code_sha256;  // base64 of the zip's SHA-256
  uint64_t code_bytes = 0;  // of the zip
  std::string code_id;      // names the directory of the unpacked code
  std::string zip_id;       // names the blob of the zip
  std::string revision_id;  // a UUID, new with every change
  WallTime last_modified;
  // Why its code cannot run at present, as found at the node's start; empty: it can. Not kept.
  std::string failure = {};
  bool has_template = false;  // that its next cold start is a clone of. Not kept
  // Of an image: how its program is started, if spec.image_config does not say otherwise.
  images::ImageConfig image_start = {};
};

inline constexpr std::string_view kNative = "native";
inline constexpr std::string_view kDocker = "docker";

// What UpdateFunctionConfiguration changes: the fields that are set.
struct FunctionPatch {
  std::optional<std::string> runtime, handler, role, description;
  std::optional<std::chrono::seconds> timeout;
  std::optional<int> memory_mb, ephemeral_mb;
  std::optional<std::map<std::string, std::string>> environment;
  std::optional<int> max_instances;
  std::optional<std::vector<std::string>> subnets;
  std::optional<bool> snap_start;
  std::optional<std::string> warm_up;
  std::optional<images::ImageConfig> image_config;
  std::optional<std::string> revision_id;  // if set, must be the current one (else kConflict)
};

// kNotFound, in Lambda's words: "Function not found: ARN".
Error FunctionNotFound(std::string_view arn);

enum class CallKind {
  kSync,   // the caller waits; an error reaches it, the call is not run again
  kEvent,  // accepted durably, run at least once, its result kept for a day
};

struct Invocation {
  RequestId id;
  std::string function;
  CallKind kind = CallKind::kSync;
  std::string payload;         // JSON text, as it came
  std::string client_context;  // JSON text or empty
  std::string trace_id;        // X-Amzn-Trace-Id or empty
  int attempt = 1;  // counts from 1; more than 1 if it may have begun before a restart of the node
  WallTime accepted;
  bool wants_log = false;  // Outcome::log_tail, by whoever waits for it; not kept
  // The node of the site that accepted it, and gets its result; empty: the one that runs it.
  std::string home = {};
};

// What somebody outside tells a call while it runs or is put away.
struct Callback {
  RequestId call;
  std::string payload;  // JSON text, as it came
  std::string key;      // the same key for the same call is the same callback; empty: none
};

// What a call came to. A function's own failure is an outcome, not an Error.
struct Outcome {
  RequestId id;
  std::string payload;         // the response, or Lambda's error object
  std::string function_error;  // empty, or "Unhandled" as X-Amz-Function-Error has it
  std::string log_tail;        // if it was wanted: the last kLogTail bytes of this call's log
  std::string executed_version = "$LATEST";
};

enum class CallStatus { kQueued, kRunning, kSucceeded, kFailed };
std::string_view ToString(CallStatus status);  // "QUEUED", "RUNNING", "SUCCEEDED", "FAILED"

// What is kept of a call: of every Event call, and of a synchronous one that was put away.
struct CallRecord {
  RequestId id;
  std::string function;
  CallKind kind = CallKind::kEvent;
  CallStatus status = CallStatus::kQueued;
  int attempt = 1;
  std::optional<InstanceId> instance;  // where it runs or is put away
  std::string node;                    // of the site, if that is another one
  std::string payload;                 // of the result; empty while there is none
  std::string function_error;
  WallTime accepted;
  std::optional<WallTime> finished;
};

}  // namespace godwit::functions
