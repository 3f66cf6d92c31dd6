#include "functions/catalogue.h"

#include "base/scope.h"
#include "base/try.h"
#include "functions/bakery.h"
#include "functions/containers.h"
#include "functions/environment.h"

namespace godwit::functions {

namespace asio = boost::asio;

namespace {

void Fill(Function& function, const KeptCode& code) {
  function.code_sha256 = code.sha256;
  function.code_bytes = code.bytes;
  function.code_id = code.id;
  function.zip_id = code.zip_id;
  function.failure.clear();
}

Result<> Apply(FunctionSpec& spec, const FunctionPatch& patch) {
  const auto set = [](auto& field, const auto& change) {
    if (change) field = *change;
  };
  set(spec.runtime, patch.runtime);
  set(spec.handler, patch.handler);
  set(spec.role, patch.role);
  set(spec.description, patch.description);
  set(spec.timeout, patch.timeout);
  set(spec.memory_mb, patch.memory_mb);
  set(spec.ephemeral_mb, patch.ephemeral_mb);
  set(spec.environment, patch.environment);
  set(spec.max_instances, patch.max_instances);
  set(spec.subnets, patch.subnets);
  set(spec.warm_up, patch.warm_up);
  if (patch.snap_start) spec.snap_start = patch.snap_start;
  set(spec.image_config, patch.image_config);
  return CheckSpec(spec);
}

Result<> CheckRevision(const Function& function, const std::optional<std::string>& revision) {
  if (!revision || *revision == function.revision_id) return {};
  return Fail(Code::kStale,
              "The Revision Id provided does not match the latest Revision Id. Call the "
              "GetFunction/GetAlias API to retrieve the latest Revision Id");
}

}  // namespace

void Catalogue::Restore(Function function) {
  bool lost = false;
  if (const Result<> unpacked = UnpackFor(function); !unpacked) {
    const Code code = unpacked.error().code();
    lost = code == Code::kNotFound || code == Code::kCorrupt;
    function.failure = unpacked.error().ToString() +
                       (lost ? " (deploy it again)" : " (mend that, and start the node again)");
    work_.log.Warning("'{}' cannot run: {}", function.spec.name, function.failure);
  }
  const std::string name = function.spec.name;
  auto crew = crews_.Make(function);
  functions_.emplace(name, Deployed{std::move(function), std::move(crew), lost});
}

Result<> Catalogue::UnpackFor(const Function& function) {
  Doubt(function);
  if (!function.spec.image.empty() && function.spec.engine != kDocker)
    return images_.Check(function.code_id);
  if (!function.spec.image.empty()) return {};  // the Docker Engine keeps it
  return code_.Unpack(function.code_id, function.zip_id)
      .Within("cannot unpack the code of '{}'", function.spec.name);
}

Result<const Catalogue::Deployed*> Catalogue::Lookup(const std::string& name) const {
  const auto found = functions_.find(name);
  if (found == functions_.end()) return std::unexpected(FunctionNotFound(work_.FunctionArn(name)));
  return &found->second;
}

Result<> Catalogue::Open() const {
  if (closing_) return Fail(Code::kClosing, "the node is shutting down (try again later)");
  return {};
}

asio::awaitable<Result<Function>> Catalogue::Create(FunctionSpec spec, std::string zip) {
  GODWIT_CO_TRY(CheckSpec(spec));
  // An image that was sent to this node runs on it.
  if (spec.engine.empty())
    spec.engine = images::IsDigest(spec.image) ? kNative : work_.settings.engine;
  const Turns::Held mine = co_await turns_.Take(spec.name);
  GODWIT_CO_TRY(Open());
  if (functions_.contains(spec.name))
    co_return Fail(Code::kConflict, "Function already exist: {}", spec.name);
  if (!spec.image.empty()) {
    Function function;
    function.spec = std::move(spec);
    GODWIT_CO_TRY(co_await TakeImage(function));
    co_return co_await Publish(std::move(function));
  }
  GODWIT_CO_TRY(const CodeStore::Taken taken, co_await code_.Take(std::move(zip)));
  Function function;
  function.spec = std::move(spec);
  Fill(function, taken.code);
  co_return co_await Publish(std::move(function));
}

asio::awaitable<Result<Function>> Catalogue::UpdateCode(std::string name, Deployment deployment) {
  const Turns::Held mine = co_await turns_.Take(name);
  GODWIT_CO_TRY(Open());
  GODWIT_CO_TRY(Function function, Get(name));
  GODWIT_CO_TRY(CheckRevision(function, deployment.revision_id));
  if (deployment.image.empty() != function.spec.image.empty()) {
    co_return Fail(Code::kInvalid,
                   "'{}' was made of {}, and stays so (delete it, and create it anew)", name,
                   function.spec.image.empty() ? "a zip" : "an image");
  }
  std::optional<CodeStore::Taken> taken;  // while the function is not published, its turn is held
  if (!deployment.image.empty()) {
    function.spec.image = deployment.image;
    GODWIT_CO_TRY(co_await TakeImage(function));
  } else {
    auto code = co_await code_.Take(std::move(deployment.zip));
    if (!code) co_return std::unexpected(std::move(code).error());
    taken.emplace(*std::move(code));
    Fill(function, taken->code);
  }
  if (!deployment.dry_run) co_return co_await Publish(std::move(function));
  function.revision_id = RequestId::New(work_.entropy).text;
  function.last_modified = work_.clock.Wall();
  co_return function;
}

asio::awaitable<Result<Function>> Catalogue::UpdateConfiguration(std::string name,
                                                                 FunctionPatch patch) {
  const Turns::Held mine = co_await turns_.Take(name);
  GODWIT_CO_TRY(Open());
  GODWIT_CO_TRY(Function function, Get(name));
  GODWIT_CO_TRY(CheckRevision(function, patch.revision_id));
  GODWIT_CO_TRY(Apply(function.spec, patch));
  co_return co_await Publish(std::move(function));
}

// The caller holds the turns of its name, and of its code if that is new.
asio::awaitable<Result<Function>> Catalogue::Publish(Function function) {
  function.revision_id = RequestId::New(work_.entropy).text;
  function.last_modified = work_.clock.Wall();
  co_return co_await PublishAsItIs(std::move(function));
}

asio::awaitable<Result<Function>> Catalogue::PublishAsItIs(Function function) {
  function.has_template = false;
  GODWIT_CO_TRY(co_await work_.journal.Write(
      [&](storage::Database& database) { return PutFunction(database, function); }));
  // What was damaged is whole again for all who have it.
  for (auto& [name, other] : functions_) {
    if (function.failure.empty() && other.function.code_id == function.code_id)
      other.function.failure.clear();
  }
  const auto found = functions_.find(function.spec.name);
  if (found == functions_.end()) {
    functions_.emplace(function.spec.name, Deployed{function, crews_.Make(function)});
  } else {
    Doubt(found->second.function);
    found->second.function = function;
    if (work_.bakery != nullptr) work_.bakery->Deleted(function.spec.name);
    found->second.crew->Update(function);
  }
  if (work_.bakery != nullptr) work_.bakery->Deployed(function);
  co_return function;
}

asio::awaitable<Result<Catalogue::Imported>> Catalogue::Import(Function function, std::string zip) {
  GODWIT_CO_TRY(CheckSpec(function.spec));
  const Turns::Held mine = co_await turns_.Take(function.spec.name);
  GODWIT_CO_TRY(Open());
  const auto found = functions_.find(function.spec.name);
  const bool is_new = found == functions_.end();
  if (!is_new && found->second.function.revision_id == function.revision_id &&
      found->second.function.failure.empty())
    co_return Imported{found->second.function, std::nullopt};
  function.failure.clear();
  std::optional<Turns::Held> code;
  if (!function.spec.image.empty()) {
    GODWIT_CO_TRY(co_await TakeImage(function));
  } else if (zip.empty()) {
    const Function* same = FindCode(function.code_sha256);
    if (same == nullptr)
      co_return Fail(Code::kNotFound, "the code of '{}' is not here", function.spec.name);
    function.code_id = same->code_id;
    function.zip_id = same->zip_id;
    code.emplace(co_await code_.Lend(function.code_id));
    Doubt(function);
  } else {
    const std::string expected = function.code_sha256;
    auto taken = co_await code_.Take(std::move(zip));
    if (!taken) co_return std::unexpected(std::move(taken).error());
    if (taken->code.sha256 != expected)
      co_return Fail(Code::kCorrupt, "the code of '{}' is not what it should be",
                     function.spec.name);
    Fill(function, taken->code);
    code.emplace(std::move(taken->held));
  }
  if (!is_new) co_return Imported{std::move(function), std::move(code)};
  GODWIT_CO_TRY(function, co_await PublishAsItIs(std::move(function)));
  co_return Imported{std::move(function), std::nullopt};
}

const Function* Catalogue::FindCode(const std::string& sha256) const {
  const Function* found = nullptr;
  for (const auto& [name, deployed] : functions_) {
    const Function& function = deployed.function;
    if (function.code_sha256 == sha256 && function.failure.empty()) found = &function;
  }
  crews_.ForEach([&](const Instance& instance) {
    if (instance.function().code_sha256 == sha256) found = &instance.function();
  });
  return found;
}

asio::awaitable<Result<>> Catalogue::Delete(std::string name) {
  const Turns::Held mine = co_await turns_.Take(name);
  GODWIT_CO_TRY(Open());
  GODWIT_CO_TRY(Lookup(name));
  GODWIT_CO_TRY(co_await work_.journal.Write(
      [&](storage::Database& database) { return DropFunction(database, name); }));
  const auto gone = functions_.extract(name);
  Doubt(gone.mapped().function);
  if (work_.bakery != nullptr) work_.bakery->Deleted(name);
  gone.mapped().crew->Retire();
  co_return Result<>{};
}

Result<Function> Catalogue::Get(const std::string& name) const {
  GODWIT_TRY(const Deployed* deployed, Lookup(name));
  Function function = deployed->function;
  function.has_template = work_.bakery != nullptr && work_.bakery->Has(function);
  return function;
}

std::vector<Function> Catalogue::List() const {
  std::vector<Function> list;
  for (const auto& [name, deployed] : functions_) list.push_back(Get(name).value());
  return list;
}

asio::awaitable<Result<std::string>> Catalogue::Zip(std::string name) {
  GODWIT_CO_TRY(const Function function, Get(name));
  if (!function.spec.image.empty())
    co_return Fail(Code::kUnsupported, "'{}' is an image, and has no zip", name);
  co_return co_await code_.Zip(function.zip_id);
}

Result<std::shared_ptr<Crew>> Catalogue::CrewFor(const std::string& name) const {
  GODWIT_TRY(const Deployed* deployed, Lookup(name));
  if (deployed->function.failure.empty()) return deployed->crew;
  return Fail(deployed->lost ? Code::kConflict : Code::kUnavailable, "'{}' cannot run: {}", name,
              deployed->function.failure);
}

std::shared_ptr<Crew> Catalogue::Find(const std::string& name) const {
  const auto found = functions_.find(name);
  return found == functions_.end() ? nullptr : found->second.crew;
}

CodeStore::Use Catalogue::UseOf(const std::string& code_id) const {
  for (const auto& [name, deployed] : functions_) {
    if (deployed.function.code_id == code_id) return CodeStore::Use::kFunctions;
  }
  CodeStore::Use use = CodeStore::Use::kNone;
  crews_.ForEach([&](const Instance& instance) {
    if (instance.function().code_id == code_id) use = CodeStore::Use::kInstances;
  });
  return use;
}

asio::awaitable<Result<>> Catalogue::TakeImage(Function& function) {
  if (function.spec.engine == kDocker) {
    if (work_.containers == nullptr)
      co_return Fail(Code::kUnsupported, "this node has no Docker Engine");
    GODWIT_CO_TRY(co_await work_.containers->TakeImage(function));
  } else {
    if (!images::IsDigest(function.spec.image)) {
      co_return Fail(
          Code::kInvalid,
          "'{}' names an image at the Docker Engine (add --engine docker, or send a tar: "
          "--image FILE.tar)",
          function.spec.image);
    }
    GODWIT_CO_TRY(const images::Image image, images_.Find(function.spec.image));
    function.code_sha256 = std::string(images::HexOf(image.id));
    function.code_bytes = image.bytes;
    function.code_id = ImageStore::CodeIdOf(image.id);
    function.image_start = image.config;
  }
  function.failure.clear();
  const images::ImageConfig& start = function.image_start;
  if (!start.entrypoint.empty() || !start.command.empty() ||
      !function.spec.image_config.entrypoint.empty()) {
    co_return Result<>{};
  }
  co_return Fail(Code::kInvalid, "the image has neither an entry point nor a command (give one)");
}

void Catalogue::Doubt(const Function& function) {
  if (!function.spec.image.empty() && function.spec.engine == kDocker) return;
  if (function.spec.image.empty()) {
    code_.Doubt(function.code_id, function.zip_id);
  } else {
    images_.Doubt(function.code_id);
  }
}

void Catalogue::Tick() {
  if (dropping_ || (!code_.doubts() && !images_.doubts())) return;
  dropping_ = true;
  if (!gate_.Spawn(Drop())) dropping_ = false;
}

asio::awaitable<void> Catalogue::Drop() {
  const ScopeExit ended([this] { dropping_ = false; });
  const auto use = [this](const std::string& id) { return UseOf(id); };
  co_await code_.DropUnused(use);
  co_await images_.DropUnused(use);
}

asio::awaitable<void> Catalogue::Close() {
  closing_ = true;
  co_await gate_.Drain();
}

}  // namespace godwit::functions
