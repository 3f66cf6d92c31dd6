#include "functions/containers.h"

#include <unistd.h>

#include "base/try.h"
#include "docker/base_image.h"
#include "functions/environment.h"
#include "sandbox/launch.h"

namespace godwit::functions {

namespace asio = boost::asio;

Containers::Containers(asio::any_io_executor executor, Pool& pool, std::string socket,
                       std::string store, Directories directories, std::string starter)
    : executor_(executor),
      pool_(pool),
      engine_(executor, std::move(socket)),
      store_(std::move(store)),
      directories_(std::move(directories)),
      starter_(std::move(starter)),
      turns_(executor) {}

asio::awaitable<void> Containers::Start(Log log) {
  if (::access(engine_.socket().c_str(), R_OK) != 0) co_return;
  if (const Result<> ready = co_await Prepare(); !ready)
    log.Warning("{}", ready.error().ToString());
}

asio::awaitable<Result<>> Containers::Prepare() {
  const Turns::Held mine = co_await turns_.Take("prepare");
  if (prepared_) co_return Result<>{};
  GODWIT_CO_TRY(co_await docker::RemoveLeftovers(engine_, store_));
  GODWIT_CO_TRY(co_await Offload(pool_, [&] { return sandbox::WriteInitProgram(starter_); }));
  prepared_ = true;
  co_return Result<>{};
}

asio::awaitable<Result<>> Containers::MakeBase() {
  const Turns::Held mine = co_await turns_.Take("base");
  if (has_base_ && (co_await engine_.FindImage(BaseImage()))) co_return Result<>{};
  GODWIT_CO_TRY(std::string tar,
                co_await Offload(pool_, [&] { return docker::TarOf(directories_.base); }));
  GODWIT_CO_TRY(co_await engine_.ImportImage(BaseImage(), std::move(tar)));
  has_base_ = true;
  co_return Result<>{};
}

asio::awaitable<Result<>> Containers::TakeImage(Function& function) {
  auto image = co_await engine_.FindImage(function.spec.image);
  if (!image && image.error().code() == Code::kNotFound) {
    co_return Fail(Code::kInvalid,
                   "the Docker Engine at '{}' has no image '{}' (get it with `docker pull {}`)",
                   socket(), function.spec.image, function.spec.image);
  }
  if (!image) co_return std::unexpected(std::move(image).error());
  const std::string digest(images::IsDigest(image->id) ? images::HexOf(image->id) : image->id);
  function.code_sha256 = digest;
  function.code_bytes = image->bytes;
  function.code_id = "docker-" + digest.substr(0, 40);
  function.image_start = {image->entrypoint, image->command, image->directory, image->environment};
  GODWIT_CO_TRY(images::CheckStart(function.image_start).Within("image '{}'", function.spec.image));
  co_return Result<>{};
}

asio::awaitable<Result<std::unique_ptr<sandbox::Sandbox>>> Containers::Build(
    Function function, InstanceId instance, sandbox::Program program, std::string home) {
  GODWIT_CO_TRY(co_await Prepare());
  const FunctionSpec& spec = function.spec;
  docker::ContainerPlan plan;
  plan.name = instance.text;
  plan.store = store_;
  plan.function = spec.name;
  plan.image = spec.image;
  plan.program = std::move(program);
  plan.limits = LimitsOf(spec);
  plan.ephemeral_mb = spec.ephemeral_mb;
  plan.network = !spec.subnets.empty();
  plan.home = std::move(home);
  plan.starter = starter_;
  if (spec.image.empty()) {
    GODWIT_CO_TRY(co_await MakeBase());
    const sandbox::Places places = PlacesOf(function, directories_);
    plan.image = BaseImage();
    plan.binds = {"/usr:/usr:ro", places.code + ":/var/task:ro"};
    if (!places.runtime.empty()) plan.binds.push_back(places.runtime + ":/var/runtime:ro");
  }
  co_return co_await docker::BuildContainer(executor_, pool_, engine_, std::move(plan));
}

asio::awaitable<Feature> Containers::Probe() {
  Feature feature{"Docker Engine", false, "",
                  "functions with --engine docker do not run (start Docker, or say with "
                  "docker_socket where it is)"};
  if (::access(engine_.socket().c_str(), R_OK) != 0) {
    feature.detail = fmt::format("nobody at '{}'", engine_.socket());
    co_return feature;
  }
  const auto facts = co_await engine_.Ask();
  feature.present = facts.has_value();
  feature.detail =
      facts
          ? fmt::format("{} at '{}'; functions are paused, {}", facts->version, engine_.socket(),
                        facts->experimental ? "for its checkpoints cut waits short (docs/docker.md)"
                                            : "it offers no checkpoints")
          : facts.error().ToString();
  co_return feature;
}

}  // namespace godwit::functions
