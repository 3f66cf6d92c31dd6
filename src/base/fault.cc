#include "base/fault.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <string_view>

namespace godwit::fault {
namespace {

struct Wish {
  int point = 0;
  bool kill = false;
  int visit = 1;
};

Wish ReadWish() {
  Wish wish;
  const char* text = std::getenv("GODWIT_FAULT");
  if (text == nullptr) return wish;
  std::string_view rest = text;
  const auto take = [&] {
    const std::string_view word = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(word.size() + 1, rest.size()));
    return word;
  };
  const std::string_view number = take();
  std::from_chars(number.data(), number.data() + number.size(), wish.point);
  wish.kill = take() == "kill";
  const std::string_view visit = take();
  std::from_chars(visit.data(), visit.data() + visit.size(), wish.visit);
  return wish;
}

}  // namespace

bool Reach(Point point) {
  static const Wish kWish = ReadWish();
  static std::atomic<int> visits = 0;
  if (kWish.point != static_cast<int>(point)) return false;
  if (++visits != kWish.visit) return false;
  if (kWish.kill) ::kill(::getpid(), SIGKILL);
  return true;
}

}  // namespace godwit::fault
