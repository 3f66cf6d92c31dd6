#pragma once

// What goes to another node beside the image of an instance: what has to be known of it there.
//
// JSON text (docs/formats/transfer.md). Threads: values. Failure: kCorrupt for text that is none,
// kUnsupported for that of a newer program.
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "functions/codec.h"
#include "functions/schema.h"

namespace godwit::functions {

struct Luggage {
  InstanceFacts facts;  // as the sender's store has them, with its epoch
  // Since it stood still, by the sender's clock, which need not be right: times are told as ages.
  Nanos age{};
  std::vector<KeptCallback> callbacks;  // of its call
  bool ran = false;                     // until it was asked to leave, so that it goes on at once
};

std::string LuggageToJson(const Luggage& luggage);
Result<Luggage> LuggageFromJson(std::string_view text);

}  // namespace godwit::functions
