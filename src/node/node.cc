#include "node/node.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <set>

#include "admin/admin_api.h"
#include "aws/lambda_api.h"
#include "aws/runtime_api.h"
#include "base/bytes.h"
#include "base/memory.h"
#include "base/scope.h"
#include "base/try.h"
#include "checkpoint/features.h"
#include "checkpoint/pager.h"
#include "functions/containers.h"
#include "functions/local_platform.h"
#include "functions/replicas.h"
#include "functions/schema.h"
#include "functions/template.h"
#include "functions/transition_log.h"
#include "functions/travel.h"
#include "http/address.h"
#include "http/server.h"
#include "node/ground.h"
#include "node/machine.h"
#include "node/memory_tidier.h"
#include "node/runtime_files.h"
#include "node/site_node.h"
#include "sandbox/launch.h"
#include "sandbox/seccomp.h"
#include "sites/identity.h"
#include "sites/passport.h"
#include "sites/site_api.h"
#include "storage/lock.h"
#include "storage/migrations.h"
#include "storage/node_key.h"

namespace godwit::node {
namespace {

namespace asio = boost::asio;
using std::chrono_literals::operator""s;

constexpr size_t kPoolThreads = 8;  // they wait for CRIU and the disk more than they run
constexpr Nanos kPatience = 5s;     // for requests under way, when the node stops

// Tells systemd, if it asks (sd_notify(3)): one datagram.
void Notify(const char* state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr || *path == '\0') return;
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
  const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + std::strlen(path));
  ::sendto(socket.get(), state, std::strlen(state), MSG_NOSIGNAL,
           reinterpret_cast<const sockaddr*>(&address), size);
}

// Each instance has a few descriptors while its walls stand.
void RaiseFileLimit() {
  rlimit limit = {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

functions::Settings SettingsOf(const cli::NodeConfig& config) {
  functions::Settings settings;
  settings.blocked_after = config.blocked_after;
  settings.freeze_after = config.freeze_after;
  settings.memory_budget = config.memory_budget;
  settings.idle_after = config.idle_after;
  settings.keep_awake = config.keep_awake;
  settings.durable_suspend = config.durable_suspend;
  settings.max_instances = static_cast<int>(config.max_instances);
  settings.max_queued = static_cast<int>(config.max_queue);
  settings.kept_walls = static_cast<size_t>(config.kept_walls);
  settings.keep_results = config.result_keep;
  settings.region = config.region;
  settings.account = config.account;
  settings.prebake = config.prebake;
  settings.template_cache = static_cast<uint64_t>(config.template_cache_mb) << 20;
  std::string runtimes;
  for (const auto& file : RuntimeFiles())
    runtimes += fmt::format("{}\n{}\n", file.path, file.bytes);
  settings.runtimes = ToHex(Sha256(runtimes));
  settings.engine = config.engine;
  return settings;
}

// CRIU, checked and with its kernel facts kept; none if it does not work here, which is said once.
Fd PrepareCriu(const cli::NodeConfig& config, functions::Directories& directories, const Log& log) {
  const std::string kdat = config.data + "/criu.kdat";
  Result<std::string> path = checkpoint::FindCriu(config.criu);
  Result<> good = path ? checkpoint::KeepKernelFacts(*path, kdat) : std::unexpected(path.error());
  Result<Fd> program = good ? Open(*path, O_RDONLY) : std::unexpected(good.error());
  if (!program) {
    log.Warning("nothing will be put away: {}", program.error().ToString());
    return {};
  }
  directories.kdat = kdat;
  return *std::move(program);
}

// Empty without one that works.
std::string CriuOf(const cli::NodeConfig& config) {
  const Result<std::string> path = checkpoint::FindCriu(config.criu);
  return path ? checkpoint::CriuVersion(*path) : "";
}

// All nodes of a site sum pages alike, so that what one has another need not send.
storage::Digest PageSumKey(const sites::Identity& identity) {
  std::array<unsigned char, storage::NodeKey::kBytes> bytes = {};
  std::copy_n(identity.site_key.begin(), std::min(bytes.size(), identity.site_key.size()),
              bytes.begin());
  return storage::NodeKey(bytes).Derive("godwit page sum v1");
}

// What the store has that is nothing without its key; empty for a new one.
Result<std::string> WhatIsHeld(storage::Database& database, const std::string& data) {
  GODWIT_TRY(const auto functions, functions::AllFunctions(database));
  GODWIT_TRY(const size_t instances, functions::CountInstances(database));
  size_t files = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(data + "/blobs", error)) {
    if (entry.is_regular_file(error)) ++files;
  }
  if (functions.empty() && instances == 0 && files == 0) return "";
  return fmt::format("{} functions, {} instances that are put away and {} sealed files",
                     functions.size(), instances, files);
}

// Directories and images of instances that the store does not know are what a killed node left
// behind.
Result<> ClearLeftovers(storage::Journal& journal, storage::Blobs& blobs,
                        const functions::Directories& directories) {
  std::set<std::string> instances;
  std::set<std::string> code;
  std::set<std::string> kept;
  GODWIT_TRY(journal.WriteNow([&](storage::Database& database) -> Result<> {
    GODWIT_TRY(const auto all, functions::AllInstances(database));
    for (const auto& instance : all) {
      instances.insert(instance.facts.instance.text);
      kept.insert(instance.image.hex);
      for (const auto& base : instance.facts.bases) kept.insert(base.image.hex);
      kept.insert(instance.facts.function->zip_id);
      code.insert(instance.facts.function->code_id);
    }
    GODWIT_TRY(const auto replicas, functions::AllReplicas(database));
    for (const auto& replica : replicas) {
      kept.insert(replica.image.hex);
      for (const auto& base : replica.luggage.facts.bases) kept.insert(base.image.hex);
      kept.insert(replica.luggage.facts.function->zip_id);
      code.insert(replica.luggage.facts.function->code_id);
    }
    GODWIT_TRY(const auto templates, functions::AllTemplates(database));
    for (const auto& one : templates) kept.insert(one.image.hex);
    GODWIT_TRY(const auto functions, functions::AllFunctions(database));
    for (const auto& function : functions) {
      kept.insert(function.zip_id);
      code.insert(function.code_id);
    }
    return {};
  }));
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directories.instances, error)) {
    if (!instances.contains(entry.path().filename()))
      std::filesystem::remove_all(entry.path(), error);
  }
  for (const auto& entry : std::filesystem::directory_iterator(directories.code, error)) {
    if (!code.contains(entry.path().filename())) std::filesystem::remove_all(entry.path(), error);
  }
  for (const auto& entry : std::filesystem::directory_iterator(directories.images, error)) {
    if (!code.contains(entry.path().filename())) std::filesystem::remove_all(entry.path(), error);
  }
  GODWIT_TRY(const auto all, blobs.List());
  for (const auto& blob : all) {
    if (!kept.contains(blob.hex)) GODWIT_TRY(blobs.Remove(blob));
  }
  return {};
}

// The socket that the node will serve, bound before there is anything to serve. Who knocks early
// waits.
class Door {
 public:
  Door() = default;
  Door(Door&&) = default;
  ~Door() {
    if (!socket_) return;
    const auto address = http::Address::Of(socket_.get());
    if (address.is_local()) ::unlink(address.path().c_str());
  }

  Result<> Open(const std::string& address) {
    GODWIT_TRY(socket_, http::ListenOn(address));
    return {};
  }
  // 0 if it is not at a port.
  uint16_t port() const {
    const auto address = http::Address::Of(socket_.get());
    return address.is_local() ? 0 : address.port();
  }
  Fd Hand() { return std::move(socket_); }

 private:
  Fd socket_;
};

class Node {
 public:
  explicit Node(const cli::NodeConfig& config)
      : config_(config), log_("godwit", config.log_level) {}

  Result<> Run() {
    if (::geteuid() != 0) {
      return Fail(Code::kDenied, "cannot run a node on '{}': sandboxes need root (use sudo)",
                  config_.data);
    }
    GODWIT_TRY(const network::Range range,
               network::ParseRange(config_.network_range).Within("network_range"));
    RaiseFileLimit();
    KeepMemorySmall();
    std::signal(SIGPIPE, SIG_IGN);
    // First of all, for a node that cannot be reached makes no store; but a socket may be in it.
    const bool door_inside = config_.listen.starts_with("unix:" + config_.data + "/");
    Door door;
    if (!door_inside) GODWIT_TRY(door.Open(config_.listen));
    GODWIT_TRY(const storage::StoreLock lock, storage::LockStore(config_.data));
    if (door_inside) GODWIT_TRY(door.Open(config_.listen));
    const uint16_t listens_at = door.port();
    GODWIT_TRY(functions::Directories directories, PrepareGround(config_.data));
    GODWIT_TRY(const sandbox::CgroupTree cgroups, ClaimCgroups(config_.data));
    const ScopeExit close_cgroups([&] { cgroups.Close(); });
    GODWIT_TRY(const std::string boot, NoteBoot(config_.data, directories));
    const auto files = DiskFiles();
    GODWIT_TRY(storage::Database database, storage::Database::Open(config_.data + "/godwit.db"));
    GODWIT_TRY(storage::Migrate(database, functions::Migrations()));
    GODWIT_TRY(const std::string held, WhatIsHeld(database, config_.data));
    GODWIT_TRY(const storage::NodeKey key,
               storage::LoadNodeKey(*files, config_.data, entropy_, held));
    GODWIT_TRY(const auto blobs, storage::Blobs::Open(config_.data, key, entropy_));
    std::optional<sites::Identity> identity;
    if (sites::HasSite(config_.data)) {
      GODWIT_TRY(identity, sites::LoadIdentity(config_.data));
      blobs->SumPagesWith(PageSumKey(*identity));
    }
    int64_t transitions = 0;
    GODWIT_TRY(transitions, functions::LastTransition(database));
    storage::Journal journal(std::move(database), log_.Named("journal"));
    GODWIT_TRY(ClearLeftovers(journal, *blobs, directories));
    Fd criu = PrepareCriu(config_, directories, log_);
    GODWIT_TRY(const Fd init, sandbox::LoadInitProgram());
    GODWIT_TRY(const Fd filter, sandbox::BuildFilter());
    GODWIT_TRY(const sandbox::Nursery nursery, sandbox::Nursery::Make());

    asio::io_context loop(1);
    Pool pool(kPoolThreads);
    network::Network network(loop.get_executor(), pool, RulesOf(range, listens_at),
                             log_.Named("network"));
    functions::TransitionLog moves(loop.get_executor(), journal, transitions);
    functions::Workplace workplace{
        loop.get_executor(),
        pool,
        sandbox::Workshop{pool, cgroups, init.get(), filter.get(), &nursery},
        *blobs,
        journal,
        clock_,
        entropy_,
        log_,
        SettingsOf(config_),
        directories,
        std::move(criu),
        boot,
        aws::MakeRuntimeEndpoints(loop.get_executor(), log_.Named("runtime-api")),
        [&moves](const functions::Transition& transition) { moves.Observe(transition); }};
    workplace.network = &network;
    const auto pager = checkpoint::Pager::Start();
    if (pager) {
      workplace.pager = pager->get();
    } else {
      log_.Warning("memory comes back as a whole, and none is put away in place: {}",
                   pager.error().ToString());
    }
    functions::Containers containers(loop.get_executor(), pool, config_.docker_socket, StoreName(),
                                     directories, config_.data + "/starter");
    workplace.containers = &containers;
    const auto platform = functions::MakeLocalPlatform(workplace);
    std::unique_ptr<SiteNode> site;
    if (identity) {
      workplace.settings.node_name = identity->name;
      const std::string passport =
          sites::MachinePassport(workplace.settings.runtimes, CriuOf(config_));
      GODWIT_TRY(site, SiteNode::Open(loop.get_executor(), pool, config_, *std::move(identity),
                                      passport, clock_, entropy_, log_.Named("site")));
      workplace.abroad = &site->abroad();
    }
    GODWIT_TRY(platform->Start());
    const Result<> served =
        Serve(loop, pool, *platform, network, containers, site.get(), std::move(door));
    pool.join();
    moves.Flush();
    journal.Close();
    return served;
  }

 private:
  // A node of its own has names of its own for its links, the same at each start.
  network::FirewallRules RulesOf(network::Range range, uint16_t own_port) const {
    return {StoreName().substr(0, 4), range, own_port};
  }

  std::string StoreName() const {
    std::error_code error;
    const std::string place = std::filesystem::canonical(config_.data, error).string();
    return ToHex(Sha256(place)).substr(0, 12);
  }

  Result<> Serve(asio::io_context& loop, Pool& pool, functions::LocalPlatform& platform,
                 network::Network& network, functions::Containers& containers, SiteNode* site,
                 Door door) {
    const SteadyTime begun = clock_.Steady();
    std::vector<Feature> features;
    aws::LambdaApi lambda(platform, {config_.region, config_.account}, entropy_,
                          log_.Named("lambda"));
    std::vector<std::string> endpoints;
    admin::AdminApi admin(
        platform,
        [&] {
          return admin::NodeInfo{GODWIT_VERSION,          config_.data,    endpoints, ::getpid(),
                                 clock_.Steady() - begun, ResidentBytes(), features};
        },
        log_.Named("admin"));
    sites::SiteApi site_api;
    http::Limits limits;
    limits.connections = static_cast<size_t>(config_.max_connections);
    limits.body_bytes = [](std::string_view method, std::string_view path) {
      return path.starts_with("/godwit/") ? admin::AdminApi::BodyLimit(method, path)
                                          : aws::LambdaApi::BodyLimit(method, path);
    };
    http::Server server(
        loop.get_executor(),
        [&](http::Request request) -> asio::awaitable<http::Response> {
          if (sites::SiteApi::Serves(request)) return site_api.Handle(std::move(request));
          if (admin::AdminApi::Serves(request)) return admin.Handle(std::move(request));
          return lambda.Handle(std::move(request));
        },
        limits, log_.Named("http"));
    Result<> listening = server.Listen(door.Hand());
    if (listening && site != nullptr) {
      listening = site->Start(platform, platform.travel(), [&admin](http::Request request) {
        return admin.Handle(std::move(request));
      });
      if (listening) site_api.Follow(site->site());
    }
    asio::signal_set signals(loop, SIGINT, SIGTERM);
    MemoryTidier tidier(loop.get_executor(), pool);
    asio::co_spawn(
        loop,
        // co_spawn keeps it, and run() returns when it has ended.
        // NOLINTNEXTLINE(cppcoreguidelines-avoid-capturing-lambda-coroutines)
        [&]() -> asio::awaitable<void> {
          if (listening) {
            endpoints = server.endpoints();
            log_.Info("godwit {} serves {} from '{}'", GODWIT_VERSION,
                      endpoints.empty() ? config_.listen : endpoints.front(), config_.data);
            Notify("READY=1");
            features = co_await Offload(pool, [&] { return ProbeMachine(config_.criu); });
            tidier.Start();
            features.push_back(co_await containers.Probe());
            co_await containers.Start(log_.Named("docker"));
            co_await signals.async_wait(asio::use_awaitable);
            log_.Info("stops: what runs is put away, what is put away stays");
            Notify("STOPPING=1");
          }
          signals.async_wait([](const boost::system::error_code& error, int) {
            if (!error) std::_Exit(1);
          });
          co_await tidier.Stop();
          if (site != nullptr) site->Stopping();
          co_await platform.Stop();
          if (site != nullptr) co_await site->Stop();
          co_await network.Close();
          co_await server.Drain(kPatience);
          signals.cancel();
        },
        [](std::exception_ptr escaped) {
          if (escaped) std::rethrow_exception(escaped);
        });
    loop.run();
    return listening;
  }

  const cli::NodeConfig& config_;
  Log log_;
  SystemClock clock_;
  SystemEntropy entropy_;
};

}  // namespace

Result<> RunNode(const cli::NodeConfig& config) { return Node(config).Run(); }

}  // namespace godwit::node
