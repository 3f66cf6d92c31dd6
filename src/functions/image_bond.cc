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
  return BondOf({{}, facts.image_key, facts.instance, facts.sequence}, *facts.function);
}

std::string BondOf(const BaseFacts& base, const Function& function) {
  if (base.image_key.empty()) return "";
  const std::string sequence = std::to_string(base.sequence);
  // None of them has a zero in it.
  std::string bond(kPurpose);
  for (const std::string_view part :
       {std::string_view(base.image_key), std::string_view(base.instance.text),
        std::string_view(function.spec.name), std::string_view(function.revision_id),
        std::string_view(sequence)}) {
    bond += '\0';
    bond += part;
  }
  return bond;
}

std::vector<checkpoint::ImageBase> BasesOf(const InstanceFacts& facts) {
  std::vector<checkpoint::ImageBase> bases;
  for (const BaseFacts& base : facts.bases)
    bases.push_back({base.image, BondOf(base, *facts.function)});
  return bases;
}

}  // namespace godwit::functions
