#pragma once

// The instances of one function, and the calls that wait for one.
//
// A call goes to a READY instance, else to one that is put away without a call, else it queues; who
// has queued for kScaleAfter gets a new instance, up to the function's limit. So a burst of short
// calls is served by few instances, and calls that block get one each. Threads: the loop. Lifetime:
// Close() before it is destroyed. Failure: Submit() gives kBusy (Lambda: 429) when the queue is
// full.
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <vector>

#include "base/gate.h"
#include "functions/instance.h"
#include "functions/workplace.h"

namespace godwit::functions {

class Crew final : public Owner {
 public:
  static constexpr Nanos kScaleAfter = std::chrono::milliseconds(10);

  // `may_start` says whether the node may start one more at this moment.
  Crew(Workplace& workplace, Function function, std::function<bool()> may_start);
  ~Crew() override;

  const Function& function() const { return function_; }
  // From now on calls run this; instances of the former one end when they are idle.
  void Update(Function function);
  // No more calls: those that wait, run or are put away fail with kNotFound. The crew is empty()
  // some time later.
  void Retire();

  Result<> Submit(PendingCall call);
  // For a call that was accepted before: it is not refused for want of room.
  void Queue(PendingCall call);
  // Takes an instance found in the store.
  void Restore(KeptInstance kept, PendingCall::Done done);

  void Tick();
  // Whether walls are to stand ready for the next clone.
  void KeepSpare(bool wanted);
  // Starts what waits for `may_start`.
  void Pump();
  int starting() const;
  bool empty() const { return instances_.empty(); }
  int Limit() const;
  // It may have one more instance; whether the node may start that at this moment.
  bool HasRoom() const { return static_cast<int>(instances_.size() + guests_.size()) < Limit(); }
  bool MayStart() const { return may_start_(); }
  // An instance of its function that is somebody else's: it gets no calls from here, but takes a
  // place and memory as any other until it is released.
  void Host(Instance& guest) { guests_.push_back(&guest); }
  void Release(Instance& guest);
  size_t queued() const { return queue_.size(); }
  Instance* Find(const InstanceId& id);
  template <typename Each>
  void ForEach(Each each) const {
    for (const auto& instance : instances_) each(*instance);
  }
  // The same, and its guests.
  template <typename Each>
  void ForEachHere(Each each) const {
    ForEach(each);
    for (Instance* const guest : guests_) each(*guest);
  }
  boost::asio::awaitable<void> Close();

  // Owner.
  void WantsCall(Instance& instance) override;
  void HasEnded(Instance& instance) override;

 private:
  bool Serve();  // hands the oldest call to an instance; false if none is READY
  void ScaleLater();
  void Start();
  std::unique_ptr<Instance> NewInstance(std::shared_ptr<const Template> source);
  void DropSpare();
  Error Deleted() const;
  void FailOldest(const FailedStart& why);
  boost::asio::awaitable<void> Bury(Instance* instance);
  boost::asio::awaitable<void> End(Instance& instance);

  Workplace& workplace_;
  Function function_;
  std::shared_ptr<const Function> shared_function_;  // the same, for its instances; may be null
  std::function<bool()> may_start_;
  bool retired_ = false;
  std::deque<PendingCall> queue_;
  std::list<std::unique_ptr<Instance>> instances_;
  std::vector<Instance*> guests_;
  std::unique_ptr<Instance> spare_;  // a clone that is not started yet; in none of the counts
  std::vector<Instance*> ready_;     // the last one used is the next one used: its caches are warm
  boost::asio::steady_timer scale_;
  bool scaling_ = false;
  Gate gate_;
};

}  // namespace godwit::functions
