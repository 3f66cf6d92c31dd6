// The first steps of an instance: its walls, its runtime.
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>

#include "base/try.h"
#include "functions/environment.h"
#include "functions/instance.h"

namespace godwit::functions {

namespace asio = boost::asio;

void Instance::Start() {
  moving_ = started_ = true;
  awake_since_ = workplace_.clock.Steady();
  reason_ = beginning_.clone_of ? "starts as a clone" : "starts";
  static_cast<void>(gate_.Spawn(beginning_.clone_of ? RunClone() : RunStart()));
}

asio::awaitable<void> Instance::RunStart() {
  Result<> walls = co_await BuildWalls(Nanos(0));
  Result<sandbox::Process> process =
      walls ? co_await sandbox_->StartFunction(
                  ProgramOf(function_, id_, uid_, workplace_.settings, beginning_.bakes))
            : std::unexpected(std::move(walls).error());
  if (process) {
    process_ = *process;
    alive_ = true;
  }
  moving_ = false;
  Rescheduled();
  if (ending_) co_return;
  if (!process) {
    log_line_.Error("cannot start '{}': {}", function_.spec.name, process.error().ToString());
    const bool missing = process.error().ToString().contains("cannot start the program");
    failed_start_ = FailedStart{missing ? "Runtime.InvalidEntrypoint" : "Sandbox.Failed",
                                process.error().ToString(), ""};
    const std::string reason = "could not start: " + process.error().ToString();
    Stop(reason, std::move(process).error());
    co_return;
  }
  if (early_exit_) Exited(early_exit_->first, early_exit_->second);
}

asio::awaitable<Result<>> Instance::BuildWalls(Nanos clock_offset) {
  const FunctionSpec& spec = function_.spec;
  if (spec.engine == kDocker) co_return co_await BuildContainer();
  sandbox::Places places = PlacesOf(function_, workplace_.directories);
  places.instance = Home();
  places.staging = Staging();
  places.kdat = workplace_.directories.kdat;
  places.ephemeral_mb = spec.ephemeral_mb;
  places.clock_offset = clock_offset;
  places.hostname = id_.text;
  clock_offset_ = clock_offset;
  GODWIT_CO_TRY(sandbox_,
                co_await sandbox::BuildSandbox(workplace_.executor, workplace_.workshop, id_.text,
                                               std::move(places), LimitsOf(spec)));
  sandbox_->OnExit([this](int inside, int status) { Exited(inside, status); });
  sandbox_->OnEnd([this] { Exited(process_.inside, SIGKILL); });
  GODWIT_CO_TRY(co_await link_.Attach(sandbox_->init_pid()));
  log_.Listen();
  endpoint_ = workplace_.endpoints(*this, sandbox_->TakeListener());
  co_return Result<>{};
}

}  // namespace godwit::functions
