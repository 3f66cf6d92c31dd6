#include "functions/callbacks.h"

#include <optional>

#include "base/fault.h"
#include "base/try.h"
#include "functions/abroad.h"
#include "functions/schema.h"

namespace godwit::functions {

namespace asio = boost::asio;

Instance* Callbacks::InstanceOf(const RequestId& call) const {
  std::optional<InstanceId> found;
  crews_.ForEach([&](const Instance& instance) {
    if (instance.call() && instance.call()->invocation.id == call) found = instance.id();
  });
  return found ? crews_.Find(*found) : nullptr;
}

asio::awaitable<Result<uint32_t>> Callbacks::Deliver(Callback callback) {
  if (closing_) {
    co_return Fail(Code::kClosing,
                   "the node is shutting down (send it again after the next start)");
  }
  uint32_t limit = kMaxWaitingCallbacks;
  std::optional<Invocation> unkept;
  InstanceId where;
  if (Instance* instance = InstanceOf(callback.call)) {
    limit += instance->callbacks_taken();
    where = instance->id();
    if (!instance->call()->kept) {
      unkept = instance->call()->invocation;
      unkept->payload.clear();  // a synchronous call is not run again
      // Before it is: an end of the call meanwhile is journaled after this.
      instance->KeepCall();
    }
  } else if (const auto* away = away_.Find(callback.call)) {
    const std::string node = away->node;
    const InstanceId had_it = away->instance;
    if (work_.abroad != nullptr)
      co_return co_await work_.abroad->Deliver(node, had_it, std::move(callback));
    co_return Fail(Code::kUnavailable,
                   "call '{}' is on the node '{}' of a site that this node has left",
                   callback.call.text, node);
  }
  uint32_t number = 0;
  GODWIT_CO_TRY(co_await work_.journal.Write([&](storage::Database& database) -> Result<> {
    if (unkept) GODWIT_TRY(PutCall(database, *unkept, CallStatus::kRunning, where));
    GODWIT_TRY(number, AddCallback(database, callback, work_.clock.Wall(), limit));
    return {};
  }));
  GODWIT_FAULT(kCallbackAccepted);
  // It may have been assigned, or have ended, meanwhile.
  if (Instance* instance = InstanceOf(callback.call))
    instance->CallbacksCame(callback.call, number + 1);
  co_return number;
}

}  // namespace godwit::functions
