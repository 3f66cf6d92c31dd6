#pragma once

// The platform as its faces see it: deploy functions, call them, look at their instances.
//
// aws/ and admin/ stand on this alone. Threads: the loop. Lifetime: from Start() to the end of
// Stop(). Failure, everywhere: kNotFound no such thing, kInvalid bad input (the text is for the
// user), kConflict a name that is taken or a revision that moved on, kTooLarge, kBusy too many
// calls (Lambda: TooManyRequestsException), kNoSpace, kClosing.
#include <boost/asio/awaitable.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "checkpoint/remedies.h"
#include "functions/lifecycle.h"
#include "functions/model.h"
#include "placement/governor.h"

namespace godwit::functions {

// One instance, as `godwit ps` shows it.
struct InstanceView {
  InstanceId id;
  std::string function;
  State state = State::kStarting;
  std::optional<RequestId> request;  // the call it runs
  uint64_t memory_bytes = 0;         // charged to its cgroup; 0 when it is suspended
  uint64_t image_bytes = 0;          // on disk
  std::optional<WallTime> wakes_at;  // when what it sleeps on is due
  std::string reason;                // why it is in this state; why it could not be put away
  WallTime since;                    // in this state
  int pid = 0;                       // on the host; 0 without a process
  std::string address;               // IPv4, if its function has a network
};

// An instance of another node, of which a copy is kept here in case that is lost.
struct CopyView {
  InstanceId id;
  std::string function;
  std::string owner;  // the node
  std::string call;
  uint64_t image_bytes = 0;
};

// How one suspension or resume went.
struct MoveReport {
  InstanceView instance;
  Nanos took{};                // until its processes are gone, or to its next instruction
  uint64_t memory_before = 0;  // bytes
  uint64_t memory_after = 0;   // bytes
};

// A function is run once, in an instance of its own, and put into each tier (functions/trial.h).
struct TrialRequest {
  static constexpr Nanos kUsual = std::chrono::seconds(5);
  static constexpr Nanos kMost = std::chrono::minutes(15);
  std::string event = "{}";
  Nanos limit = kUsual;  // for the call
};

struct TierTrial {
  enum class Result { kWorks, kRefused, kLost, kNotTried };
  Tier tier = Tier::kFrozen;
  Result result = Result::kNotTried;
  State state = State::kReady;  // that it was tried in
  std::string reason;           // unless it works
  Nanos took{}, back{};
  uint64_t memory_before = 0, memory_after = 0, image_bytes = 0;
};
std::string_view ToString(TierTrial::Result result);  // "works", "refused", "lost", "not_tried"

struct TrialReport {
  std::string function;
  InstanceId instance = {};
  bool waited = false;           // its call did, before it was tried
  std::vector<TierTrial> tiers;  // the nearest first
  std::vector<checkpoint::Obstacle> obstacles;
  std::string prebaked = {};  // whether its starts are clones, else why not
  RequestId request = {};
  std::optional<Outcome> outcome = {};  // of its call; none: it was ended at its limit
  Nanos call_took{};

  bool Works(Tier tier) const;
};

// What is asked of a function's log: at most so many bytes, the newest, or those since a place.
struct LogRange {
  size_t bytes = 0;
  std::optional<uint64_t> after;  // LogText::next of an earlier look
};

struct LogText {
  std::string text;
  uint64_t next = 0;     // the place where the text ends, for LogRange::after
  uint64_t skipped = 0;  // bytes that came since LogRange::after and are kept no more
};

class Abroad;        // functions/abroad.h
class ImageUploads;  // functions/image_store.h

struct Deployment {  // for UpdateFunctionCode
  std::string zip;
  std::optional<std::string> revision_id;
  bool dry_run = false;
  std::string image = {};  // instead of the zip, as FunctionSpec::image
};

class Platform {
 public:
  Platform() = default;
  Platform(const Platform&) = delete;
  Platform& operator=(const Platform&) = delete;
  virtual ~Platform() = default;

  // Functions. Names here are plain: faces resolve ARNs.
  virtual boost::asio::awaitable<Result<Function>> Create(FunctionSpec spec, std::string zip) = 0;
  virtual boost::asio::awaitable<Result<Function>> UpdateCode(std::string name,
                                                              Deployment deployment) = 0;
  virtual boost::asio::awaitable<Result<Function>> UpdateConfiguration(std::string name,
                                                                       FunctionPatch patch) = 0;
  virtual boost::asio::awaitable<Result<>> Delete(std::string name) = 0;
  virtual Result<Function> Get(const std::string& name) const = 0;
  virtual std::vector<Function> List() const = 0;  // by name
  virtual boost::asio::awaitable<Result<std::string>> Zip(std::string name) = 0;
  // Where images come in; nullptr: nowhere.
  virtual ImageUploads* images() { return nullptr; }
  // The rest of the site; nullptr: the node is alone.
  virtual Abroad* abroad() { return nullptr; }

  // Calls.
  struct Call {
    std::string function;
    std::string payload;
    std::string client_context;
    std::string trace_id;
    bool wants_log = false;  // Outcome::log_tail
  };
  // Runs the call and waits for it, however long it is put away meanwhile.
  virtual boost::asio::awaitable<Result<Outcome>> Invoke(Call call) = 0;
  // Accepts the call: once this returns, it will run, whatever happens to this process.
  virtual boost::asio::awaitable<Result<RequestId>> Submit(Call call) = 0;
  virtual boost::asio::awaitable<Result<CallRecord>> Find(RequestId id) = 0;
  // Hands something to a call that has not ended: once this returns, it will get it. The callback's
  // number among those of its call, from 0. kBusy if too many wait to be taken.
  virtual boost::asio::awaitable<Result<uint32_t>> Deliver(Callback callback) = 0;

  // Instances.
  virtual std::vector<InstanceView> Instances() const = 0;  // by function, then id
  virtual std::vector<CopyView> Copies() const { return {}; }
  // What is known of an instance, and the rule that decided where it is.
  virtual Result<placement::Facts> Why(const InstanceId& id) const = 0;
  virtual boost::asio::awaitable<Result<MoveReport>> Suspend(InstanceId id, Tier tier) = 0;
  virtual boost::asio::awaitable<Result<MoveReport>> Resume(InstanceId id) = 0;
  // kBusy if too many are under way; kUnavailable if it does not start. What the function comes to,
  // and what stands in the way, is in the report.
  virtual boost::asio::awaitable<Result<TrialReport>> Try(std::string function,
                                                          TrialRequest request) = 0;
  // What the function's instances wrote, the newest last.
  virtual boost::asio::awaitable<Result<LogText>> Logs(std::string function, LogRange asked) = 0;
  virtual boost::asio::awaitable<Result<std::vector<Transition>>> History(InstanceId id) = 0;
};

}  // namespace godwit::functions
