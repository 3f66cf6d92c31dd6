#include "functions/transition_log.h"

#include <utility>

#include "base/try.h"
#include "functions/schema.h"

namespace godwit::functions {
namespace {

bool IsFlip(const Transition& move) {
  return (move.from == State::kReady && move.to == State::kBusy) ||
         (move.from == State::kBusy && move.to == State::kReady);
}

}  // namespace

TransitionLog::TransitionLog(boost::asio::any_io_executor executor, storage::Journal& journal,
                             int64_t last)
    : moment_(std::move(executor)), journal_(journal), last_(last) {}

void TransitionLog::Observe(const Transition& transition) {
  const bool flip = IsFlip(transition);
  const auto found = flips_.find(transition.instance);
  if (flip && found != flips_.end()) {
    gathered_[found->second] = transition;
    return;
  }
  if (gathered_.empty()) {
    moment_.expires_after(kMoment);
    moment_.async_wait([this](const boost::system::error_code& error) {
      if (!error) Flush();
    });
  }
  gathered_.push_back(transition);
  if (flip) {
    flips_[transition.instance] = gathered_.size() - 1;
  } else if (found != flips_.end()) {
    flips_.erase(found);
  }
}

void TransitionLog::Flush() {
  moment_.cancel();
  flips_.clear();
  if (gathered_.empty()) return;
  const int64_t first = last_ + 1;
  last_ += static_cast<int64_t>(gathered_.size());
  journal_.Note(
      [first, moves = std::exchange(gathered_, {})](storage::Database& database) -> Result<> {
        int64_t sequence = first;
        for (const auto& move : moves) GODWIT_TRY(PutTransition(database, sequence++, move));
        return {};
      });
}

}  // namespace godwit::functions
