#pragma once

// IPv4 addresses, ranges of them, and who has which.
//
// Threads: values; a Leases belongs to the loop. Failure: kInvalid for a text that is neither,
// kBusy when a range has no address left.
#include <compare>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "base/error.h"

namespace godwit::network {

struct Address {
  uint32_t bits = 0;  // in the order of this machine
  auto operator<=>(const Address&) const = default;
  explicit operator bool() const { return bits != 0; }
  std::string ToString() const;
};
Result<Address> ParseAddress(const std::string& text);

struct Range {
  Address first;
  int prefix = 32;  // bits
  bool Holds(Address address) const;
  uint32_t size() const { return prefix == 0 ? ~0U : uint32_t{1} << (32 - prefix); }
  std::string ToString() const;
};
// "10.249.0.0/16": the address of the range itself, /8 to /28.
Result<Range> ParseRange(const std::string& text);

// The addresses of a range that instances have. One that was given back is the last to be given
// again, so that what is late for its former owner finds nobody.
class Leases {
 public:
  explicit Leases(Range range) : range_(range), next_(range.first.bits + 1) {}

  const Range& range() const { return range_; }
  Result<Address> Take();
  // Takes a certain one, which may be of another range.
  void Reserve(Address address) { taken_.insert(address); }
  void GiveBack(Address address) { taken_.erase(address); }

 private:
  Range range_;
  uint32_t next_;
  std::set<Address> taken_;
};

}  // namespace godwit::network
