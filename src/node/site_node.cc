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

SiteNode::SiteNode(asio::any_io_executor executor, const cli::NodeConfig& config,
                   const Clock& clock, Entropy& entropy, Log log)
    : executor_(executor),
      config_(config),
      clock_(clock),
      entropy_(entropy),
      log_(std::move(log)),
      gate_(std::move(executor)) {}

Result<std::unique_ptr<SiteNode>> SiteNode::Open(asio::any_io_executor executor,
                                                 const cli::NodeConfig& config, const Clock& clock,
                                                 Entropy& entropy, Log log) {
  if (!sites::HasSite(config.data)) return std::unique_ptr<SiteNode>();
  std::unique_ptr<SiteNode> made(
      new SiteNode(std::move(executor), config, clock, entropy, std::move(log)));
  GODWIT_TRY(made->identity_, sites::LoadIdentity(config.data));
  if (!config.coordinator.empty()) made->identity_.coordinator = config.coordinator;
  GODWIT_TRY(sites::CheckCoordinator(made->identity_.coordinator));
  GODWIT_TRY(made->door_, OpenDoor(config.site_listen, made->identity_.address)
                              .Within("cannot serve the site (site_listen names another port)"));
  return made;
}

Result<> SiteNode::Start() {
  GODWIT_TRY(coordinator_, sites::OpenCoordinator(executor_, identity_.coordinator, identity_,
                                                  config_.data, clock_, log_));
  registry_ = std::make_unique<sites::Registry>(*coordinator_, identity_.site, log_);
  GODWIT_TRY(site_, sites::Site::Make(executor_, identity_, config_.data, *registry_, clock_,
                                      entropy_, GODWIT_VERSION, log_));
  server_ = std::make_unique<http::Server>(
      executor_, [this](http::Request request) { return site_->Handle(std::move(request)); },
      sites::Site::PortLimits(kMemberBody), log_);
  GODWIT_TRY(server_->Listen(std::move(door_), site_->ServerTls()));
  GODWIT_TRY(site_->Start());
  site_->WhenLeft([this] { static_cast<void>(gate_.Spawn(Depart())); });
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
  presence_ = std::make_unique<sites::Presence>(
      executor_, *registry_, clock_, log_,
      // The same store has the same certificate.
      sites::Presence::Identity{identity_.name, identity_.fingerprint()},
      sites::Presence::Hooks{.lost = [] {}, .back = [] {}});
  if (const auto begun = presence_->Start(); !begun) log_.Error("{}", begun.error().ToString());
}

asio::awaitable<void> SiteNode::Depart() {
  if (presence_) co_await presence_->Leave();
}

asio::awaitable<void> SiteNode::Stop() {
  co_await gate_.Close();
  if (presence_) co_await presence_->Leave();
  if (server_) co_await server_->Drain(kPatience);
  if (site_) co_await site_->Stop();
  if (coordinator_) co_await coordinator_->Close();
}

}  // namespace godwit::node
