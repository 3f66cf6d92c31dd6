#include "storage/entry_path.h"

#include <algorithm>
#include <ranges>

#include "base/try.h"

namespace godwit::storage {
namespace {

auto StepsOf(std::string_view path) {
  return path | std::views::split('/') | std::views::transform([](auto step) {
           return std::string_view(step.begin(), step.end());
         });
}

}  // namespace

Result<std::string> CleanEntryPath(std::string_view name, size_t limit) {
  if (name.empty()) return Fail(Code::kInvalid, "it has no name");
  if (name.starts_with('/')) return Fail(Code::kInvalid, "its name is absolute");
  if (name.size() > limit) return Fail(Code::kInvalid, "its name is longer than {} bytes", limit);
  if (name.find('\0') != std::string_view::npos) {
    return Fail(Code::kInvalid, "its name holds a zero byte");
  }
  std::string clean;
  for (const auto step : StepsOf(name)) {
    if (step == "..") return Fail(Code::kInvalid, "its name leaves the directory through '..'");
    if (step.empty() || step == ".") continue;
    if (!clean.empty()) clean += '/';
    clean += step;
  }
  return clean;
}

Result<> CheckLinkTarget(std::string_view from, std::string_view target) {
  if (target.empty()) return Fail(Code::kInvalid, "it is a link to nothing");
  if (target.starts_with('/')) return Fail(Code::kInvalid, "it is a link to an absolute path");
  if (target.find('\0') != std::string_view::npos) {
    return Fail(Code::kInvalid, "it is a link to a name with a zero byte");
  }
  auto depth = std::ranges::count(from, '/');
  for (const auto step : StepsOf(target)) {
    if (step.empty() || step == ".") continue;
    depth += step == ".." ? -1 : 1;
    if (depth < 0) return Fail(Code::kInvalid, "it is a link that leaves the directory");
  }
  return {};
}

std::string ShownEntry(std::string_view name) {
  constexpr size_t kMost = 120;
  std::string shown;
  for (const char c : name.substr(0, kMost)) {
    if (c >= ' ' && c <= '~') {
      shown += c;
    } else {
      shown += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  if (name.size() > kMost) shown += "...";
  return shown;
}

}  // namespace godwit::storage
