#include "sites/sender.h"

#include <algorithm>
#include <boost/json.hpp>

#include "base/try.h"

namespace godwit::sites {

namespace asio = boost::asio;
namespace json = boost::json;
using checkpoint::kPage;
using checkpoint::kSumBytes;
using std::chrono_literals::operator""s;

namespace {

constexpr Nanos kMostForKeep = std::chrono::minutes(5);  // a large image is stored there
constexpr uint64_t kWorthLearning = 64 << 10;  // bytes: below, a round trip is all there is
constexpr double kSlowLink = 8e6;              // bytes a second: worth to pack harder

double Seconds(Nanos span) { return std::chrono::duration<double>(span).count(); }

void Smooth(double& value, double seen) { value = value == 0 ? seen : value * 0.5 + seen * 0.5; }

}  // namespace

asio::awaitable<Result<std::string>> Sender::Post(std::string what, std::string body,
                                                  Nanos timeout) {
  traffic_.bytes += body.size();
  std::string path = "/site/v1/arrivals";
  if (!what.empty()) path += "/" + arrival_ + "/" + what;
  co_return BodyOf(node_,
                   co_await link_.Fetch(node_,
                                        {.method = "POST",
                                         .target = std::move(path),
                                         .headers = {{"Content-Type", "application/octet-stream"}},
                                         .body = std::move(body)},
                                        timeout));
}

asio::awaitable<Result<>> Sender::Offer(sites::Offer offer,
                                        std::function<asio::awaitable<Result<std::string>>()> zip) {
  auto answer = co_await Post("", OfferToBody(offer));
  if (!answer && answer.error().code() == Code::kNotFound) {
    GODWIT_CO_TRY(offer.arrival.zip, co_await zip());
    answer = co_await Post("", OfferToBody(offer), kMostForKeep);
  }
  if (!answer) co_return std::unexpected(std::move(answer).error());
  boost::system::error_code wrong;
  const json::value value = json::parse(*answer, wrong);
  const json::value* id =
      !wrong && value.is_object() ? value.get_object().if_contains("arrival") : nullptr;
  if (id == nullptr || !id->is_string())
    co_return Fail(Code::kCorrupt, "'{}' answered something else than a transfer's id", node_);
  arrival_ = std::string(id->get_string());
  co_return Result<>{};
}

storage::Packing Sender::NextPacking() const {
  if (link_rate_ == 0 || pack_rate_ == 0) return storage::Packing::kFast;
  if (link_rate_ < kSlowLink) return storage::Packing::kSmall;
  // One after the other: packing pays if it saves more time than it takes.
  const double plain = 1 / link_rate_;
  const double packed = 1 / pack_rate_ + ratio_ / link_rate_;
  return packed < plain ? storage::Packing::kFast : storage::Packing::kNone;
}

void Sender::Learn(storage::Packing packing, uint64_t plain, uint64_t sent, Nanos packed,
                   Nanos crossed) {
  if (sent >= kWorthLearning && crossed > Nanos(0))
    Smooth(link_rate_, static_cast<double>(sent) / Seconds(crossed));
  if (packing != storage::Packing::kFast || plain < kWorthLearning || packed <= Nanos(0)) return;
  Smooth(pack_rate_, static_cast<double>(plain) / Seconds(packed));
  Smooth(ratio_, static_cast<double>(sent) / static_cast<double>(plain));
}

asio::awaitable<Result<>> Sender::SendPages(checkpoint::OutgoingImage& image) {
  ++traffic_.rounds;
  traffic_.pages += image.pages();
  constexpr size_t kAsked = kPiece / kSumBytes;  // sums at once
  constexpr size_t kSent = kPiece / kPage;       // pages at once
  const std::string_view sums = image.sums();
  for (size_t first = 0; first < image.pages(); first += kAsked) {
    const std::string_view asked = sums.substr(first * kSumBytes, kAsked * kSumBytes);
    GODWIT_CO_TRY(const std::string wanted, co_await Post("wanted", std::string(asked)));
    const size_t count = asked.size() / kSumBytes;
    if (wanted.size() != (count + 7) / 8)
      co_return Fail(Code::kCorrupt, "'{}' answered something else than what it wants", node_);
    std::vector<uint32_t> numbers;
    for (size_t i = 0; i < count; ++i) {
      if (((static_cast<unsigned char>(wanted[i / 8]) >> (i % 8)) & 1U) != 0)
        numbers.push_back(static_cast<uint32_t>(first + i));
    }
    for (size_t at = 0; at < numbers.size(); at += kSent) {
      const auto some = std::span(numbers).subspan(at, std::min(kSent, numbers.size() - at));
      const storage::Packing packing = NextPacking();
      Nanos packed{};
      GODWIT_CO_TRY(std::string body, co_await Offload(pool_, [&]() -> Result<std::string> {
                      std::string pages(some.size() * kPage, '\0');
                      GODWIT_TRY(image.ReadPages(some, pages));
                      std::string theirs;
                      for (const uint32_t number : some)
                        theirs.append(sums, number * kSumBytes, kSumBytes);
                      const SteadyTime begun = clock_.Steady();
                      std::string made = PagesToBody(theirs, pages, packing, packer_);
                      packed = clock_.Steady() - begun;
                      return made;
                    }));
      const uint64_t sent = body.size();
      const SteadyTime begun = clock_.Steady();
      GODWIT_CO_TRY(co_await Post("pages", std::move(body)));
      Learn(packing, some.size() * kPage, sent, packed, clock_.Steady() - begun);
      traffic_.pages_sent += some.size();
    }
  }
  co_return Result<>{};
}

asio::awaitable<Result<>> Sender::SendRest(checkpoint::OutgoingImage& image) {
  for (uint64_t at = 0; at < image.rest_bytes(); at += kPiece) {
    GODWIT_CO_TRY(std::string piece, co_await Offload(pool_, [&]() -> Result<std::string> {
                    std::string bytes(std::min<uint64_t>(kPiece, image.rest_bytes() - at), '\0');
                    GODWIT_TRY(image.ReadRest(at, bytes));
                    return bytes;
                  }));
    GODWIT_CO_TRY(co_await Post(fmt::format("rest?offset={}", at), std::move(piece)));
  }
  co_return Result<>{};
}

asio::awaitable<Result<>> Sender::Keep(const functions::Luggage& luggage) {
  GODWIT_CO_TRY(co_await Post("keep", functions::LuggageToJson(luggage), kMostForKeep));
  co_return Result<>{};
}

asio::awaitable<void> Sender::GiveUp() {
  if (arrival_.empty()) co_return;
  static_cast<void>(
      co_await link_.Fetch(node_, {.method = "DELETE", .target = "/site/v1/arrivals/" + arrival_},
                           std::chrono::seconds(2)));
}

}  // namespace godwit::sites
