#include "network/address.h"

#include <arpa/inet.h>

#include <charconv>

#include "base/try.h"

namespace godwit::network {
namespace {

constexpr int kWidest = 8;
constexpr int kNarrowest = 28;

}  // namespace

std::string Address::ToString() const {
  return fmt::format("{}.{}.{}.{}", bits >> 24, bits >> 16 & 255, bits >> 8 & 255, bits & 255);
}

Result<Address> ParseAddress(const std::string& text) {
  in_addr parsed = {};
  if (::inet_pton(AF_INET, text.c_str(), &parsed) != 1)
    return Fail(Code::kInvalid, "'{}' is not an IPv4 address", text);
  return Address{ntohl(parsed.s_addr)};
}

bool Range::Holds(Address address) const { return address.bits - first.bits < size(); }

std::string Range::ToString() const { return fmt::format("{}/{}", first.ToString(), prefix); }

Result<Range> ParseRange(const std::string& text) {
  const size_t slash = text.find('/');
  Range range;
  const char* end = text.data() + text.size();
  const auto parsed = slash == std::string::npos
                          ? std::from_chars_result{end, std::errc::invalid_argument}
                          : std::from_chars(text.data() + slash + 1, end, range.prefix);
  const auto first = ParseAddress(text.substr(0, slash));
  if (!first || parsed.ec != std::errc() || parsed.ptr != end || range.prefix < kWidest ||
      range.prefix > kNarrowest || first->bits % range.size() != 0) {
    return Fail(Code::kInvalid,
                "'{}' is not a range of IPv4 addresses (write, for example, 10.249.0.0/16; /{} to "
                "/{})",
                text, kWidest, kNarrowest);
  }
  range.first = *first;
  return range;
}

Result<Address> Leases::Take() {
  // Neither the first nor the last, which old hosts take for the network and for everybody.
  const uint32_t usable = range_.size() - 2;
  for (uint32_t looked = 0; looked < usable; ++looked) {
    const Address address{next_};
    next_ = next_ == range_.first.bits + usable ? range_.first.bits + 1 : next_ + 1;
    if (taken_.insert(address).second) return address;
  }
  return Fail(Code::kBusy, "no address is left in '{}' (give the node a larger network-range)",
              range_.ToString());
}

}  // namespace godwit::network
