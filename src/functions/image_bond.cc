#include "functions/image_bond.h"

#include <string_view>

#include "base/bytes.h"

namespace godwit::functions {

namespace {

constexpr size_t kKeyBytes = 32;
constexpr std::string_view kPurpose = "godwit image v1";

}  // namespace

std::string NewImageKey(Entropy& entropy) { return ToHex(entropy.Bytes(kKeyBytes)); }

std::string BondOf(const InstanceFacts& facts) {
  if (facts.image_key.empty()) return "";
  const std::string sequence = std::to_string(facts.sequence);
  // None of them has a zero in it.
  std::string bond(kPurpose);
  for (const std::string_view part :
       {std::string_view(facts.image_key), std::string_view(facts.instance.text),
        std::string_view(facts.function->spec.name), std::string_view(facts.function->revision_id),
        std::string_view(sequence)}) {
    bond += '\0';
    bond += part;
  }
  return bond;
}

}  // namespace godwit::functions
