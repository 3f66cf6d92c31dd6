#include "node/site_node.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "base/try.h"
#include "http/address.h"
#include "sites/coordinators.h"

namespace godwit::node {

namespace asio = boost::asio;
using std::chrono_literals::operator""s;

namespace {

constexpr size_t kMemberBody = size_t{1} << 30;
constexpr Nanos kPatience = 2s;
constexpr auto kPause = 2s;  // between two tries to reach the coordinator

// Where others reach it is where it listens, unless only names or other machines lead there.
Result<Fd> OpenDoor(const std::string& configured, const std::string& address) {
  if (!configured.empty()) return http::ListenOn(configured);
  if (http::Address::Parse(address)) return http::ListenOn(address);
  return http::ListenOn("[::]" + address.substr(address.rfind(':')));
}

}  // namespace

SiteNode::SiteNode(asio::any_io_executor executor, Log log)
    : executor_(executor), log_(std::move(log)), gate_(std::move(executor)) {}

Result<std::unique_ptr<SiteNode>> SiteNode::Open(asio::any_io_executor executor, Pool& pool,
                                                 const cli::NodeConfig& config,
                                                 sites::Identity identity, std::string passport,
                                                 const Clock& clock, Entropy& entropy, Log log) {
  std::unique_ptr<SiteNode> made(new SiteNode(executor, std::move(log)));
  made->identity_ = std::move(identity);
  if (!config.coordinator.empty()) made->identity_.coordinator = config.coordinator;
  const sites::Identity& mine = made->identity_;
  GODWIT_TRY(sites::CheckCoordinator(mine.coordinator));
  GODWIT_TRY(made->door_, OpenDoor(config.site_listen, mine.address)
                              .Within("cannot serve the site (site_listen names another port)"));
  GODWIT_TRY(made->coordinator_, sites::OpenCoordinator(executor, mine.coordinator, mine,
                                                        config.data, clock, made->log_));
  made->registry_ = std::make_unique<sites::Registry>(*made->coordinator_, mine.site, made->log_);
  GODWIT_TRY(made->site_, sites::Site::Make(executor, mine, config.data, *made->registry_, clock,
                                            entropy, GODWIT_VERSION, made->log_));
  made->roaming_ = std::make_unique<sites::Roaming>(
      sites::Surroundings{executor, *made->registry_, made->site_->peers(), pool, entropy, clock,
                          made->log_, mine.name, std::move(passport)},
      sites::Roaming::Options{mine.fingerprint(), config.lease, static_cast<int>(config.copies)});
  return made;
}

Result<> SiteNode::Start(functions::Platform& platform, functions::Travel& travel,
                         sites::Roaming::Api api) {
  server_ = std::make_unique<http::Server>(
      executor_, [this](http::Request request) { return site_->Handle(std::move(request)); },
      sites::Site::PortLimits(kMemberBody), log_);
  site_->Serve("/site/v1/", [this](http::Request request, std::string peer) {
    return roaming_->Handle(std::move(request), std::move(peer));
  });
  GODWIT_TRY(server_->Listen(std::move(door_), site_->ServerTls()));
  GODWIT_TRY(site_->Start());
  site_->WhenLeft([this] { static_cast<void>(gate_.Spawn(Depart())); });
  roaming_->Start(platform, travel, std::move(api));
  log_.Info("node '{}' serves its site '{}' at '{}'", identity_.name, identity_.site,
            server_->endpoints().front());
  return gate_.Spawn(Live());
}

asio::awaitable<void> SiteNode::Live() {
  std::string complaint;
  asio::steady_timer timer(executor_);
  while (true) {
    const auto said = co_await site_->Announce();
    if (said) break;
    const std::string why = said.error().ToString();
    if (why != complaint) log_.Error("{}", why);
    complaint = why;
    if (said.error().code() == Code::kDenied) co_return;
    timer.expires_after(kPause);
    const auto [closing] = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    if (closing) co_return;
  }
  if (!complaint.empty()) log_.Info("the site is reached now");
  if (const auto begun = roaming_->Join(); !begun) log_.Error("{}", begun.error().ToString());
}

asio::awaitable<void> SiteNode::Depart() { co_await roaming_->Leave(); }

asio::awaitable<void> SiteNode::Stop() {
  co_await gate_.Close();
  if (roaming_) co_await roaming_->Close();
  if (server_) co_await server_->Drain(kPatience);
  if (site_) co_await site_->Stop();
  if (coordinator_) co_await coordinator_->Close();
}

}  // namespace godwit::node
