#include "checkpoint/manifest.h"

#include <algorithm>
#include <boost/json.hpp>

#include "base/try.h"

namespace godwit::checkpoint {
namespace {

namespace json = boost::json;

constexpr int64_t kVersion = 1;
constexpr std::string_view kKinds[] = {"criu", "file", "directory", "link"};

// A relative path without empty, "." or ".." steps and without NUL.
bool IsInside(std::string_view path) {
  if (path.empty() || path.size() > 4096 || path.contains('\0')) return false;
  while (true) {
    const size_t slash = path.find('/');
    const std::string_view step = path.substr(0, slash);
    if (step.empty() || step == "." || step == "..") return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

Result<ImageEntry> ParseEntry(const json::value& value) {
  const auto* parts = value.if_array();
  if (parts == nullptr || parts->size() != 5 || !(*parts)[0].is_string() ||
      !(*parts)[1].is_string() || !(*parts)[2].is_int64() || !(*parts)[3].is_int64() ||
      !(*parts)[4].is_int64()) {
    return Fail(Code::kCorrupt,
                "an entry of the manifest is not [kind, path, bytes, mode, modified]");
  }
  const std::string_view kind = (*parts)[0].get_string();
  const auto* found = std::ranges::find(kKinds, kind);
  if (found == std::end(kKinds))
    return Fail(Code::kCorrupt, "the manifest has an entry of kind '{}'", kind);
  ImageEntry entry;
  entry.kind = static_cast<ImageEntry::Kind>(found - std::begin(kKinds));
  entry.path = std::string((*parts)[1].get_string());
  if (!IsInside(entry.path) ||
      (entry.kind == ImageEntry::Kind::kCriu && entry.path.contains('/'))) {
    return Fail(Code::kCorrupt, "the manifest has an entry with the path '{}'", entry.path);
  }
  if ((*parts)[2].get_int64() < 0)
    return Fail(Code::kCorrupt, "'{}' has a negative size in the manifest", entry.path);
  entry.bytes = static_cast<uint64_t>((*parts)[2].get_int64());
  entry.mode = static_cast<uint32_t>((*parts)[3].get_int64()) & 01777U;
  entry.modified = (*parts)[4].get_int64();
  return entry;
}

}  // namespace

std::string FormatManifest(const Manifest& manifest) {
  json::array entries;
  for (const auto& entry : manifest.entries) {
    entries.push_back(json::array{kKinds[static_cast<size_t>(entry.kind)], entry.path,
                                  static_cast<int64_t>(entry.bytes),
                                  static_cast<int64_t>(entry.mode), entry.modified});
  }
  return json::serialize(json::object{
      {"godwit_image", kVersion}, {"entries", std::move(entries)}, {"facts", manifest.facts}});
}

Result<Manifest> ParseManifest(std::string_view text) {
  boost::system::error_code error;
  const json::value value = json::parse(text, error);
  if (error) return Fail(Code::kCorrupt, "the manifest is not JSON: {}", error.message());
  const auto* object = value.if_object();
  const auto* version = object != nullptr ? object->if_contains("godwit_image") : nullptr;
  if (version == nullptr || !version->is_int64())
    return Fail(Code::kCorrupt, "the manifest has no version");
  if (version->get_int64() != kVersion) {
    return Fail(Code::kUnsupported,
                "the image is of version {}, this program reads version {} (use a newer godwit)",
                version->get_int64(), kVersion);
  }
  const auto* entries = object->if_contains("entries");
  const auto* facts = object->if_contains("facts");
  if (entries == nullptr || !entries->is_array() || facts == nullptr || !facts->is_string()) {
    return Fail(Code::kCorrupt, "the manifest lacks its entries or facts");
  }
  Manifest manifest;
  manifest.facts = std::string(facts->get_string());
  for (const auto& item : entries->get_array()) {
    GODWIT_TRY(ImageEntry entry, ParseEntry(item));
    manifest.entries.push_back(std::move(entry));
  }
  return manifest;
}

}  // namespace godwit::checkpoint
