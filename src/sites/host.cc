#include "sites/host.h"

#include <boost/json.hpp>
#include <charconv>

#include "base/bytes.h"
#include "base/fault.h"
#include "base/try.h"
#include "sites/passport.h"

namespace godwit::sites {

namespace asio = boost::asio;
namespace json = boost::json;
using std::chrono_literals::operator""s;

namespace {

constexpr std::string_view kPrefix = "/site/v1/arrivals";
constexpr size_t kMostOpen = 64;
constexpr Nanos kAskAgain = 1s;

http::Response Bytes(std::string body) {
  http::Response response{.status = 200, .headers = {{"Content-Type", "application/octet-stream"}}};
  response.body = std::move(body);
  return response;
}

}  // namespace

Host::Host(const Surroundings& around, functions::Travel& travel, CopyCame copy_came)
    : around_(around), travel_(travel), copy_came_(std::move(copy_came)), gate_(around.executor) {}

asio::awaitable<http::Response> Host::Handle(http::Request request, std::string from) {
  std::string rest = request.path.substr(kPrefix.size());
  Result<http::Response> answer = Fail(Code::kNotFound, "there is nothing at '{}'", request.path);
  if (rest.empty() && request.method == "POST") {
    answer = co_await Begin(std::move(request.body), std::move(from));
  } else if (rest.starts_with('/')) {
    const size_t slash = rest.find('/', 1);
    const std::string id = rest.substr(1, slash == std::string::npos ? slash : slash - 1);
    const std::string what = slash == std::string::npos ? "" : rest.substr(slash + 1);
    const auto found = open_.find(id);
    if (found == open_.end() || found->second->from != from) {
      answer = Fail(Code::kNotFound, "no transfer '{}' is under way (begin it anew)", id);
    } else if (found->second->busy) {
      answer = Fail(Code::kBusy, "the transfer '{}' has a request under way", id);
    } else {
      const std::shared_ptr<Open> open = found->second;
      open->busy = true;
      answer = co_await Serve(open, id, what, std::move(request));
      open->busy = false;
      open->heard = around_.clock.Steady();
    }
  }
  if (answer) co_return *std::move(answer);
  co_return Refusal(answer.error());
}

Host::Answer Host::Begin(std::string body, std::string from) {
  if (closing_) co_return Fail(Code::kClosing, "the node is shutting down");
  if (open_.size() >= kMostOpen)
    co_return Fail(Code::kBusy, "{} transfers are under way there (try again later)", open_.size());
  GODWIT_CO_TRY(Offer offer, OfferFromBody(body));
  GODWIT_CO_TRY(CheckPassport(offer.passport, around_.passport));
  auto open = std::make_shared<Open>();
  open->from = std::move(from);
  open->heard = around_.clock.Steady();
  open->offer = offer;
  open->offer.arrival.zip.clear();
  GODWIT_CO_TRY(open->arrival, co_await travel_.arrivals().Expect(std::move(offer.arrival)));
  const std::string id = ToHex(around_.entropy.Bytes(16));
  open_.emplace(id, std::move(open));
  co_return http::Json(200, json::serialize(json::object{{"arrival", id}}));
}

Host::Answer Host::Serve(std::shared_ptr<Open> open, std::string id, std::string what,
                         http::Request request) {
  checkpoint::IncomingImage* const image = open->arrival ? open->arrival->image.get() : nullptr;
  if (what.empty() && request.method == "DELETE") {
    open_.erase(id);
    co_return http::Json(200, "{}");
  }
  if (image == nullptr) co_return Fail(Code::kConflict, "the transfer '{}' is complete", id);
  if (request.method != "POST") co_return Fail(Code::kInvalid, "nothing is to be had there");
  if (what == "wanted") {
    co_return co_await Offload(around_.pool, [&]() -> Result<http::Response> {
      return Bytes(image->Wanted(request.body));
    });
  }
  if (what == "pages") {
    co_return co_await Offload(around_.pool, [&]() -> Result<http::Response> {
      GODWIT_TRY(const PagesBody pages, PagesFromBody(request.body, open->packer));
      GODWIT_TRY(image->TakePages(pages.sums, pages.pages));
      return http::Json(200, "{}");
    });
  }
  if (what == "rest") {
    const std::string text = request.Param("offset").value_or("");
    uint64_t offset = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), offset).ec != std::errc())
      co_return Fail(Code::kInvalid, "'{}' is no offset", text);
    co_return co_await Offload(around_.pool, [&]() -> Result<http::Response> {
      GODWIT_TRY(image->TakeRest(offset, request.body));
      return http::Json(200, "{}");
    });
  }
  if (what == "keep") {
    auto kept = co_await Keep(open, std::move(request.body));
    open_.erase(id);
    co_return kept;
  }
  co_return Fail(Code::kNotFound, "a transfer has no '{}'", what);
}

Host::Answer Host::Keep(std::shared_ptr<Open> open, std::string body) {
  GODWIT_CO_TRY(functions::Luggage luggage, functions::LuggageFromJson(body));
  if (open->offer.kind == Offer::Kind::kReplica) {
    GODWIT_CO_TRY(co_await travel_.replicas().Keep(std::move(open->arrival), std::move(luggage),
                                                   open->offer.epoch, open->from));
    copy_came_(open->offer.arrival.instance.text);
    co_return http::Json(200, "{}");
  }
  const int64_t epoch = open->offer.epoch + 1;
  GODWIT_CO_TRY(co_await travel_.arrivals().Keep(*open->arrival, std::move(luggage), epoch));
  auto decided = co_await Decide(open);
  if (!decided && decided.error().code() == Code::kUnavailable)
    static_cast<void>(gate_.Spawn(DecideLater(open)));
  if (!decided) co_return std::unexpected(std::move(decided).error());
  co_return http::Json(200, "{}");
}

// Whose it is. kUnavailable: nobody can say yet.
asio::awaitable<Result<>> Host::Decide(std::shared_ptr<Open> open) {
  const std::string id = open->offer.arrival.instance.text;
  auto moved = co_await around_.registry.Transfer(id, open->from, open->offer.epoch, around_.node);
  if (!moved && moved.error().code() != Code::kStale && moved.error().code() != Code::kNotFound)
    co_return Fail(Code::kUnavailable, "{}", moved.error().ToString());
  if (!moved) {
    co_await travel_.arrivals().Refuse(std::move(open->arrival), open->from);
    co_return std::unexpected(std::move(moved).error());
  }
  GODWIT_FAULT(kArrivalOwned);
  // A copy that was kept of it is older than what has come.
  co_await travel_.replicas().Drop(open->offer.arrival.instance);
  auto back = co_await travel_.arrivals().Begin(std::move(open->arrival));
  // It lives here, and on disk if it could not be brought back yet: that is tried again by itself.
  if (!back) around_.log.Error("{}", back.error().ToString());
  co_return Result<>{};
}

asio::awaitable<void> Host::DecideLater(std::shared_ptr<Open> open) {
  co_await asio::this_coro::throw_if_cancelled(false);
  while (!closing_) {
    co_await around_.Pause(kAskAgain);
    if (closing_) co_return;  // the next start asks
    const auto decided = co_await Decide(open);
    if (decided || decided.error().code() != Code::kUnavailable) co_return;
  }
}

void Host::Tick() {
  const SteadyTime now = around_.clock.Steady();
  std::erase_if(open_, [&](const auto& one) {
    const bool gone = !one.second->busy && now - one.second->heard > kPatience;
    if (gone) around_.log.Warning("a transfer from '{}' was given up", one.second->from);
    return gone;
  });
}

asio::awaitable<void> Host::Close() {
  closing_ = true;
  co_await gate_.Drain();
  open_.clear();
}

}  // namespace godwit::sites
