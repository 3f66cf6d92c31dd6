#include "functions/bakery.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/fault.h"
#include "base/scope.h"
#include "base/try.h"
#include "functions/image_bond.h"

namespace godwit::functions {

namespace asio = boost::asio;

namespace {

constexpr int kAttempts = 20;  // to put a baker away that is in the middle of a message
constexpr Nanos kPause = std::chrono::milliseconds(25);
constexpr Nanos kFirstPause = std::chrono::seconds(30);  // after a failure; doubled each time
constexpr int kMostDoublings = 8;

}  // namespace

Bakery::Bakery(Workplace& workplace, Calm calm, Spare spare)
    : work_(workplace),
      calm_(std::move(calm)),
      spare_(std::move(spare)),
      cache_(workplace.blobs, workplace.directories.staging + "/.templates",
             workplace.settings.template_cache),
      changed_(workplace.executor, asio::steady_timer::time_point::max()),
      gate_(workplace.executor) {}

Bakery::~Bakery() = default;

bool Bakery::Wants(const Function& function) const {
  return work_.criu && function.spec.engine != kDocker &&
         function.spec.snap_start.value_or(work_.settings.prebake);
}

Result<> Bakery::Start(const std::vector<Function>& functions) {
  std::vector<Template> kept;
  GODWIT_TRY(work_.journal.WriteNow([&](storage::Database& database) -> Result<> {
    GODWIT_TRY(kept, AllTemplates(database));
    return {};
  }));
  for (Template& one : kept) {
    const auto function = std::ranges::find_if(functions, [&](const Function& candidate) {
      return candidate.spec.name == one.function() && candidate.failure.empty() &&
             candidate.revision_id == one.facts.function->revision_id;
    });
    const bool fits = function != functions.end() && Wants(*function) &&
                      one.depends == Dependencies(function->spec, work_.settings);
    const ImageShelf::Held held = work_.images->Own({one.facts, one.image, one.image_bytes});
    if (fits) {
      auto ready = std::make_shared<const Template>(std::move(one));
      Entry entry;
      entry.function = *function;
      entry.ready = std::move(ready);
      entry.image = held;
      entries_[function->spec.name] = std::move(entry);
      continue;
    }
    const std::string name = one.function();
    const storage::BlobId image = one.image;
    GODWIT_TRY(work_.journal.WriteNow(
        [&](storage::Database& database) { return DropTemplate(database, name, image); }));
    held->Drop();
  }
  return {};
}

bool Bakery::Has(const Function& function) const {
  const auto found = entries_.find(function.spec.name);
  return found != entries_.end() && found->second.ready &&
         found->second.ready->facts.function->revision_id == function.revision_id;
}

std::shared_ptr<const Template> Bakery::For(const Function& function) {
  last_start_ = work_.clock.Steady();
  auto source = Of(function);
  if (source) NoteStart(function.spec.name);
  return source;
}

std::shared_ptr<const Template> Bakery::Of(const Function& function) const {
  return Has(function) && !closing_ ? entries_.find(function.spec.name)->second.ready : nullptr;
}

void Bakery::NoteStart(const std::string& function) {
  recent_.remove_if([&](const Recent& one) { return one.function == function; });
  recent_.push_front({function, work_.clock.Steady()});
  if (recent_.size() <= kSpares) return;
  spare_(recent_.back().function, false);
  recent_.pop_back();
}

void Bakery::KeepSpares(SteadyTime now) {
  if (closing_) return;
  while (!recent_.empty() && now - recent_.back().started > kKeepSpare) {
    spare_(recent_.back().function, false);
    recent_.pop_back();
  }
  if (now - last_start_ < kCalm) return;
  for (const Recent& one : recent_) {
    const auto found = entries_.find(one.function);
    if (found != entries_.end() && found->second.ready && calm_(found->second.function))
      spare_(one.function, true);
  }
}

std::string Bakery::Why(const Function& function) const {
  if (!work_.criu) return "none: CRIU is not there";
  if (!Wants(function)) {
    return function.spec.snap_start ? "none: the function does not want one (SnapStart: None)"
                                    : "none: the node makes none (prebake = \"off\")";
  }
  const auto found = entries_.find(function.spec.name);
  if (found == entries_.end()) return "none yet: it is made after the first start";
  const Entry& entry = found->second;
  if (entry.ready) return "ready: further instances are cloned";
  if (!entry.obstacle.empty()) return "none: " + entry.obstacle;
  return entry.wanted ? "none yet: it is made when the node is calm"
                      : "none yet: it is made after the first start";
}

void Bakery::Started(const Function& function) {
  if (!Wants(function) || closing_) return;
  last_start_ = work_.clock.Steady();
  Entry& entry = entries_[function.spec.name];
  entry.function = function;
  if (!entry.ready) entry.wanted = true;
}

void Bakery::Born(const Function& function) {
  if (Has(function)) entries_.find(function.spec.name)->second.failures = 0;
}

void Bakery::Deployed(const Function& function) {
  Deleted(function.spec.name);
  if (closing_ || !function.failure.empty() || !function.spec.snap_start.value_or(false)) return;
  Started(function);
}

void Bakery::Deleted(const std::string& function) {
  const auto found = entries_.find(function);
  if (found == entries_.end()) return;
  Forget(found->second);
  entries_.erase(found);
  if (baker_ && baker_->function().spec.name == function)
    baker_->Stop("replaced", Error(Code::kConflict, "the function was changed"));
}

void Bakery::Learn(const Template& source, std::vector<uint64_t> working_set) {
  static_cast<void>(gate_.Spawn([](Bakery* self, storage::BlobId image,
                                   std::vector<uint64_t> pages) -> asio::awaitable<void> {
    co_await Offload(self->work_.pool, [&] {
      self->cache_.Learn(image, pages);
      return 0;
    });
  }(this, source.image, std::move(working_set))));
}

Bakery::Entry* Bakery::EntryOf(const Template& source) {
  const auto found = entries_.find(source.function());
  const bool is =
      found != entries_.end() && found->second.ready && found->second.ready->image == source.image;
  return is ? &found->second : nullptr;
}

void Bakery::Spoiled(const Template& source, const std::string& why) {
  if (Entry* const entry = EntryOf(source)) Drop(*entry, "a clone did not start: " + why);
}

void Bakery::Drop(Entry& entry, const std::string& why) {
  work_.log.Warning("the template of '{}' is dropped: {}", entry.ready->function(), why);
  Failed(entry, why);
  Forget(entry);
}

void Bakery::Doubt(const std::string& function) {
  const auto found = entries_.find(function);
  if (found == entries_.end() || !found->second.ready || found->second.doubted) return;
  found->second.doubted = true;
  static_cast<void>(gate_.Spawn(Check(found->second.ready)));
}

asio::awaitable<void> Bakery::Check(std::shared_ptr<const Template> source) {
  const Result<> read = co_await Offload(work_.pool, [&] {
    const auto ignore = [](std::string_view) { return Result<>(); };
    return work_.blobs.Stream(source->image, ignore, BondOf(source->facts));
  });
  Entry* const entry = EntryOf(*source);
  if (entry == nullptr) co_return;
  entry->doubted = false;
  const bool damaged =
      !read && (read.error().code() == Code::kCorrupt || read.error().code() == Code::kNotFound);
  if (damaged) Drop(*entry, read.error().ToString());
}

void Bakery::Failed(Entry& entry, const std::string& why) {
  entry.obstacle = why;
  entry.wanted = false;
  entry.not_before = work_.clock.Steady() +
                     kFirstPause * (int64_t{1} << std::min(entry.failures++, kMostDoublings));
}

void Bakery::Tick() {
  if (baker_) baker_->Tick();
  const SteadyTime now = work_.clock.Steady();
  KeepSpares(now);
  if (baking_ || closing_ || now - last_start_ < kCalm) return;
  for (auto& [name, entry] : entries_) {
    if (!entry.wanted || now < entry.not_before || !calm_(entry.function)) continue;
    entry.wanted = false;
    baking_ = true;
    if (!gate_.Spawn(Bake(entry.function))) baking_ = false;
    return;
  }
}

asio::awaitable<void> Bakery::Bake(Function function) {
  const ScopeExit ended([this] { baking_ = false; });
  auto made = co_await BakeOne(function);
  auto found = entries_.find(function.spec.name);
  const bool wanted = found != entries_.end() && !closing_ &&
                      found->second.function.revision_id == function.revision_id;
  if (!made) {
    if (!wanted) co_return;
    work_.log.Info("'{}' has no template: {}", function.spec.name, made.error().ToString());
    Failed(found->second, made.error().reason());
    co_return;
  }
  auto ready = std::make_shared<const Template>(std::move(made->first));
  ImageShelf::Held image = std::move(made->second);
  if (!wanted && !closing_) {
    co_await Remove(std::move(ready), std::move(image));
    co_return;
  }
  if (!wanted) co_return;  // the next start of the node finds it
  const Result<> warm = co_await Offload(work_.pool, [&] { return cache_.Warm(*ready); });
  found = entries_.find(function.spec.name);
  if (!warm || found == entries_.end() ||
      found->second.function.revision_id != function.revision_id) {
    if (!warm && found != entries_.end()) Failed(found->second, warm.error().ToString());
    co_await Remove(std::move(ready), std::move(image));
    co_return;
  }
  Entry& entry = found->second;
  entry.ready = std::move(ready);
  entry.image = std::move(image);
  entry.doubted = false;
  entry.obstacle.clear();
  NoteStart(function.spec.name);
  work_.log.Debug("'{}' has a template of {} bytes", function.spec.name, entry.ready->image_bytes);
}

asio::awaitable<Result<Bakery::Made>> Bakery::BakeOne(const Function& function) {
  const std::string depends =
      co_await Offload(work_.pool, [&] { return Dependencies(function.spec, work_.settings); });
  asked_ = ended_ = false;
  baker_ = std::make_unique<Instance>(work_, *this, InstanceId::New(work_.entropy),
                                      std::make_shared<const Function>(function),
                                      Beginning{true, depends, nullptr});
  baker_->Start();
  while (!asked_ && !ended_) co_await changed_.async_wait(asio::as_tuple(asio::use_awaitable));
  auto away = co_await PutBakerAway();
  baker_->Stop("is a template now", Error(Code::kClosing, "it has done its work"));
  co_await baker_->Close();
  baker_.reset();
  if (!away) co_return std::unexpected(std::move(away).error());
  GODWIT_FAULT(kTemplateKept);
  auto& [kept, image] = *away;
  Template made;
  made.facts_text = FactsToJson(kept.facts);
  made.facts = std::move(kept.facts);
  made.image = std::move(kept.image);
  made.image_bytes = kept.image_bytes;
  made.depends = depends;
  made.made = made.facts.wall;
  co_return Made(std::move(made), std::move(image));
}

asio::awaitable<Result<std::pair<KeptInstance, ImageShelf::Held>>> Bakery::PutBakerAway() {
  if (ended_) {
    const auto& failed = baker_->failed_start();
    co_return Fail(
        Code::kUnavailable, "it does not start for one: {}",
        failed ? failed->type + " " + failed->message + failed->body : baker_->View().reason);
  }
  if (!baker_->asks_for_restore()) {
    co_return Fail(Code::kUnsupported,
                   "its runtime does not ask for a restore (GET /2018-06-01/runtime/restore/next "
                   "when AWS_LAMBDA_INITIALIZATION_TYPE is snap-start)");
  }
  GODWIT_FAULT(kBakerReady);
  baker_->FlushLog();
  co_await baker_->OwnMemory();
  Result<MoveReport> away;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    away = co_await baker_->Suspend("becomes a template");
    if (away || away.error().code() != Code::kBusy) break;
    asio::steady_timer pause(work_.executor, kPause);
    co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  if (!away) co_return std::unexpected(std::move(away).error());
  co_return baker_->GiveImage();
}

void Bakery::Forget(Entry& entry) {
  if (!entry.ready) return;
  static_cast<void>(gate_.Spawn(Remove(std::move(entry.ready), std::move(entry.image))));
  entry.ready.reset();
}

// The row first: an image without one is a leftover, which the next start removes, unless instances
// that are put away refer to it.
asio::awaitable<void> Bakery::Remove(std::shared_ptr<const Template> source,
                                     ImageShelf::Held image) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const Result<> dropped = co_await work_.journal.Write([&](storage::Database& database) {
    return DropTemplate(database, source->function(), source->image);
  });
  if (!dropped) {
    work_.log.Warning("{}", dropped.error().ToString());
    co_return;
  }
  GODWIT_FAULT(kTemplateDropped);
  co_await Offload(work_.pool, [&] {
    cache_.Drop(source->image);
    return 0;
  });
  image->Drop();
}

Result<> Bakery::Check(const Template& source) const {
  if (source.depends == Dependencies(source.facts.function->spec, work_.settings)) return {};
  return Fail(Code::kStale, "programs or libraries of this machine have changed");
}

Result<checkpoint::FetchedImage> Bakery::Place(const Template& source,
                                               const checkpoint::ImagePlaces& places, uint32_t uid,
                                               bool late) {
  GODWIT_TRY(Check(source));
  GODWIT_TRY(auto placed, cache_.Place(source, places, uid, late));
  GODWIT_FAULT(kClonePlaced);
  return placed;
}

void Bakery::WantsCall(Instance&) {
  asked_ = true;
  changed_.cancel();
}

void Bakery::HasEnded(Instance&) {
  ended_ = true;
  changed_.cancel();
}

asio::awaitable<void> Bakery::Close() {
  closing_ = true;
  if (baker_) baker_->Stop("the node stops", Error(Code::kClosing, "the node stops"));
  co_await gate_.Drain();
}

}  // namespace godwit::functions
