#include "checkpoint/freeze.h"

#include "base/try.h"
#include "checkpoint/calls.h"
#include "checkpoint/tracees.h"

namespace godwit::checkpoint {

Result<std::vector<Timeout>> FreezeInCalls(const std::vector<int>& pids, Nanos offset,
                                           const std::function<Result<>()>& freeze) {
  GODWIT_TRY(CheckCalls(pids));
  GODWIT_TRY(const auto tracees, Tracees::Stop(pids, offset));
  GODWIT_TRY(tracees->LetGo(freeze));
  return tracees->TakeTimeouts();
}

}  // namespace godwit::checkpoint
