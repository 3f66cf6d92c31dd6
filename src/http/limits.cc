#include "http/limits.h"

#include <algorithm>

namespace godwit::http {

Nanos TickOf(const Limits& limits) {
  Nanos shortest = std::chrono::seconds(8);
  for (const Nanos time : {limits.idle, limits.head, limits.body, limits.write, limits.linger}) {
    if (time > Nanos::zero()) shortest = std::min(shortest, time);
  }
  return std::max<Nanos>(shortest / 8, std::chrono::milliseconds(1));
}

}  // namespace godwit::http
