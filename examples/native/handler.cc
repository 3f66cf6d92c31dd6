// Counts the primes below a limit, and falls asleep half way if it is asked to: with what it has
// found so far in its local variables, and on its stack the loop that it will go on with.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <ranges>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "lambda_runtime.h"

namespace {

// The number that stands at `key` in a flat JSON object; enough JSON for this example.
double NumberAt(std::string_view event, std::string_view key, double otherwise) {
  const size_t name = event.find(lambda::Quoted(key));
  if (name == event.npos) return otherwise;
  const size_t colon = event.find(':', name);
  const size_t begin = event.find_first_not_of(" \t\r\n:", colon);
  if (begin >= event.size()) return otherwise;
  double value = otherwise;
  std::from_chars(event.data() + begin, event.data() + event.size(), value);
  return value;
}

lambda::Outcome CountPrimes(const lambda::Invocation& call) {
  constexpr double kMostSeconds = 366.0 * 24 * 3600;
  const double limit = NumberAt(call.event, "limit", 100'000);
  const double seconds = NumberAt(call.event, "seconds", 0);
  if (!(limit >= 10 && limit <= 1e8) || !(seconds >= 0 && seconds <= kMostSeconds)) {
    return std::unexpected(lambda::Failure{
        "Function.BadEvent", "limit must be 10 to 100000000, and seconds 0 to a year"});
  }
  std::vector<std::uint32_t> primes;
  const auto end = static_cast<std::uint32_t>(limit);
  for (std::uint32_t n = 2; n < end; ++n) {
    if (n == end / 2) std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    const auto up_to_its_root = [n](std::uint64_t p) { return p * p <= n; };
    const auto divides = [n](std::uint32_t p) { return n % p == 0; };
    if (std::ranges::none_of(primes | std::views::take_while(up_to_its_root), divides)) {
      primes.push_back(n);
    }
  }
  return "{\"primes\":" + std::to_string(primes.size()) +
         ",\"largest\":" + std::to_string(primes.back()) + "}";
}

}  // namespace

int main() { return lambda::Run(CountPrimes); }
