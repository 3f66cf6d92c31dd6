#pragma once

// Makes the templates of functions, and hands them to whoever starts an instance.
//
// After a start that was none of a template's, and when nothing starts on the node any more, it
// starts one more instance, the baker, in the way in which AWS Lambda starts one for SnapStart.
// When its runtime asks for what comes after the restore, it is put away, and what is on disk is
// the function's template until the function changes. One is baked at a time. A baker has no calls,
// is in nobody's crew, and ends with its template made or not. Threads: the loop. Lifetime: Close()
// before it is destroyed; outlives the crews that ask it. Failure: Why() says what stood in the
// way; it is tried again after the next plain start, each time later.
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/gate.h"
#include "functions/image_shelf.h"
#include "functions/instance.h"
#include "functions/template.h"
#include "functions/template_cache.h"
#include "functions/workplace.h"

namespace godwit::functions {

class Bakery final : public Owner {
 public:
  // What passes after the last start of the node before it bakes.
  static constexpr Nanos kCalm = std::chrono::milliseconds(500);

  // `calm`: nothing else is to be done on the node, and the function may have one more instance.
  using Calm = std::function<bool(const Function&)>;
  // Has the next clone of a function stand ready, up to its first instruction, or not any more. For
  // the functions that were started last, kSpares of them, and kKeepSpare long.
  using Spare = std::function<void(const std::string& function, bool wanted)>;
  static constexpr size_t kSpares = 4;
  static constexpr Nanos kKeepSpare = std::chrono::minutes(10);
  Bakery(Workplace& workplace, Calm calm, Spare spare);
  ~Bakery() override;

  // Start-up, blocking: takes up the store's templates, and drops those that do not fit any more.
  Result<> Start(const std::vector<Function>& functions);
  // nullptr: there is none, so it starts plainly.
  std::shared_ptr<const Template> For(const Function& function);
  // The same, without a start.
  std::shared_ptr<const Template> Of(const Function& function) const;
  // Its template if there is one, else what stands in the way of one; for people.
  std::string Why(const Function& function) const;
  bool Has(const Function& function) const;

  // An instance has started plainly.
  void Started(const Function& function);
  // A clone has come to life: the template is a good one.
  void Born(const Function& function);
  // It was created or changed: what it had is of no use any more.
  void Deployed(const Function& function);
  void Deleted(const std::string& function);
  // What a clone of it has touched since it was restored, up to the end of its first call.
  void Learn(const Template& source, std::vector<uint64_t> working_set);
  // A clone of it did not come to life. Its next instances start plainly.
  void Spoiled(const Template& source, const std::string& why);
  // An image of an instance of it could not be read. So its template, which that may refer to, is
  // read as a whole, and dropped if it is damaged: what comes after would refer to it, too.
  void Doubt(const std::string& function);
  // The baker, if there is one.
  const Instance* baker() const { return baker_.get(); }

  // Ten times a second.
  void Tick();
  // On the pool: kStale if what it was made with has changed.
  Result<> Check(const Template& source) const;
  // On the pool: a clone's files, if what they were made with is still here.
  Result<checkpoint::FetchedImage> Place(const Template& source,
                                         const checkpoint::ImagePlaces& places, uint32_t uid,
                                         bool late);
  boost::asio::awaitable<void> Close();

  // Owner, of the baker.
  void WantsCall(Instance& instance) override;
  void HasEnded(Instance& instance) override;

 private:
  struct Entry {
    Function function;
    std::shared_ptr<const Template> ready;
    ImageShelf::Held image;  // of `ready`
    bool wanted = false;
    bool doubted = false;  // `ready` is being read
    std::string obstacle;  // why the last attempt came to nothing
    int failures = 0;      // in a row
    SteadyTime not_before{};
  };
  struct Recent {
    std::string function;
    SteadyTime started;
  };

  bool Wants(const Function& function) const;
  boost::asio::awaitable<void> Bake(Function function);
  using Made = std::pair<Template, ImageShelf::Held>;
  boost::asio::awaitable<Result<Made>> BakeOne(const Function& function);
  boost::asio::awaitable<Result<std::pair<KeptInstance, ImageShelf::Held>>> PutBakerAway();
  void Failed(Entry& entry, const std::string& why);
  boost::asio::awaitable<void> Check(std::shared_ptr<const Template> source);
  // nullptr: it is dropped already.
  Entry* EntryOf(const Template& source);
  void Drop(Entry& entry, const std::string& why);
  void NoteStart(const std::string& function);
  void KeepSpares(SteadyTime now);
  void Forget(Entry& entry);
  boost::asio::awaitable<void> Remove(std::shared_ptr<const Template> source,
                                      ImageShelf::Held image);

  Workplace& work_;
  Calm calm_;
  Spare spare_;
  TemplateCache cache_;
  std::map<std::string, Entry, std::less<>> entries_;  // by function
  std::unique_ptr<Instance> baker_;
  std::list<Recent> recent_;  // functions that have a template, the last one started first
  bool baking_ = false;
  bool asked_ = false;  // the baker's runtime has, for a restore or a call
  bool ended_ = false;  // the baker has
  bool closing_ = false;
  SteadyTime last_start_{};
  boost::asio::steady_timer changed_;  // cancelled when the baker asks or ends
  Gate gate_;
};

}  // namespace godwit::functions
