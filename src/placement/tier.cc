#include "placement/tier.h"

namespace godwit::placement {

std::string_view ToString(Tier tier) {
  switch (tier) {
    case Tier::kAwake:
      return "awake";
    case Tier::kFrozen:
      return "frozen";
    case Tier::kSpilled:
      return "spilled";
    case Tier::kDisk:
      return "disk";
  }
  return "unknown";
}

Result<Tier> ParseTier(std::string_view text) {
  for (const Tier tier : {Tier::kFrozen, Tier::kSpilled, Tier::kDisk}) {
    if (text == ToString(tier)) return tier;
  }
  return Fail(Code::kInvalid, "'{}' is no tier (write frozen, spilled or disk)", text);
}

}  // namespace godwit::placement
