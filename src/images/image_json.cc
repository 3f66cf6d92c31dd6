#include "images/image_json.h"

#include <algorithm>
#include <boost/json.hpp>

#include "base/try.h"

namespace godwit::images {
namespace {

namespace json = boost::json;

constexpr std::string_view kSha256 = "sha256:";
constexpr size_t kMaxText = 32 * 1024;  // bytes of one word of a configuration
constexpr size_t kMaxTexts = 4096;

Result<json::value> Parse(std::string_view text, std::string_view what) {
  boost::system::error_code error;
  json::parse_options options;
  options.max_depth = 32;
  json::value value = json::parse(text, error, {}, options);
  if (error) return Fail(Code::kInvalid, "its {} is not JSON", what);
  return value;
}

const json::value* Find(const json::value& value, std::string_view key) {
  const auto* object = value.if_object();
  return object == nullptr ? nullptr : object->if_contains(key);
}

std::string Text(const json::value& value, std::string_view key) {
  const auto* found = Find(value, key);
  if (found == nullptr || !found->is_string()) return "";
  return std::string(found->get_string());
}

const json::array* Array(const json::value& value, std::string_view key) {
  const auto* found = Find(value, key);
  return found == nullptr ? nullptr : found->if_array();
}

Result<std::vector<std::string>> Texts(const json::value& value, std::string_view key) {
  std::vector<std::string> texts;
  const auto* array = Array(value, key);
  if (array == nullptr) return texts;
  if (array->size() > kMaxTexts)
    return Fail(Code::kTooLarge, "its '{}' has more than {} entries", key, kMaxTexts);
  for (const auto& one : *array) {
    if (!one.is_string()) return Fail(Code::kInvalid, "its '{}' holds what is no text", key);
    const json::string& text = one.get_string();
    if (text.size() > kMaxText || text.find('\0') != text.npos)
      return Fail(Code::kInvalid, "its '{}' holds a text that is too long or has a zero byte", key);
    texts.emplace_back(text);
  }
  return texts;
}

Result<> CheckLayers(size_t count) {
  if (count == 0) return Fail(Code::kInvalid, "it has no layers");
  if (count > kMaxLayers)
    return Fail(Code::kTooLarge, "it has {} layers (at most {} are taken)", count, kMaxLayers);
  return {};
}

}  // namespace

Result<> CheckStart(const ImageConfig& config) {
  size_t bytes = config.directory.size();
  for (const auto* texts : {&config.entrypoint, &config.command, &config.environment}) {
    if (texts->size() > kMaxWords)
      return Fail(Code::kTooLarge, "it has {} words or variables (at most {} are taken)",
                  texts->size(), kMaxWords);
    for (const auto& text : *texts) bytes += text.size() + 1;
  }
  if (bytes <= kMaxStart) return {};
  return Fail(Code::kTooLarge,
              "its entry point, command and environment have {} bytes (at most {} are taken)",
              bytes, kMaxStart);
}

bool IsDigest(std::string_view text) {
  if (!text.starts_with(kSha256)) return false;
  text.remove_prefix(kSha256.size());
  return text.size() == 64 && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

std::string_view HexOf(std::string_view digest) { return digest.substr(kSha256.size()); }

Result<std::vector<Descriptor>> ParseIndex(std::string_view text) {
  GODWIT_TRY(const json::value value, Parse(text, "index"));
  const auto* manifests = Array(value, "manifests");
  if (manifests == nullptr) return Fail(Code::kInvalid, "its index names no manifests");
  std::vector<Descriptor> found;
  for (const auto& one : *manifests) {
    Descriptor descriptor{Text(one, "mediaType"), Text(one, "digest"), "", "", ""};
    if (!IsDigest(descriptor.digest))
      return Fail(Code::kInvalid, "its index names a manifest without a SHA-256 digest");
    if (const auto* platform = Find(one, "platform")) {
      descriptor.os = Text(*platform, "os");
      descriptor.architecture = Text(*platform, "architecture");
      descriptor.variant = Text(*platform, "variant");
    }
    found.push_back(std::move(descriptor));
    if (found.size() > kMaxTexts) return Fail(Code::kTooLarge, "its index is too long");
  }
  return found;
}

bool IsIndex(const Descriptor& descriptor) {
  return descriptor.media_type.contains("image.index") ||
         descriptor.media_type.contains("manifest.list");
}

Result<Descriptor> ChooseManifest(const std::vector<Descriptor>& manifests,
                                  std::string_view architecture) {
  const Descriptor* chosen = nullptr;
  for (const auto& one : manifests) {
    // Attestations stand beside images and are for "unknown".
    const bool fits = (one.os.empty() || one.os == "linux") &&
                      (one.architecture.empty() || one.architecture == architecture);
    if (!fits) continue;
    if (chosen != nullptr && chosen->digest != one.digest)
      return Fail(Code::kInvalid, "it holds more than one image (save one alone)");
    chosen = &one;
  }
  if (chosen == nullptr)
    return Fail(Code::kUnsupported, "it holds no image for linux/{}", architecture);
  return *chosen;
}

Result<Manifest> ParseManifest(std::string_view text) {
  GODWIT_TRY(const json::value value, Parse(text, "manifest"));
  Manifest manifest;
  if (const auto* config = Find(value, "config")) manifest.config = Text(*config, "digest");
  if (!IsDigest(manifest.config))
    return Fail(Code::kInvalid, "its manifest names no configuration with a SHA-256 digest");
  const auto* layers = Array(value, "layers");
  GODWIT_TRY(CheckLayers(layers == nullptr ? 0 : layers->size()));
  for (const auto& layer : *layers) {
    manifest.layers.push_back(Text(layer, "digest"));
    if (!IsDigest(manifest.layers.back()))
      return Fail(Code::kInvalid, "its manifest names a layer without a SHA-256 digest");
  }
  return manifest;
}

Result<Manifest> ParseSavedManifest(std::string_view text) {
  GODWIT_TRY(const json::value value, Parse(text, "manifest.json"));
  const auto* images = value.if_array();
  if (images == nullptr || images->empty())
    return Fail(Code::kInvalid, "its manifest.json names no image");
  if (images->size() > 1)
    return Fail(Code::kInvalid, "it holds {} images (save one alone)", images->size());
  Manifest manifest;
  manifest.config = Text(images->front(), "Config");
  if (manifest.config.empty())
    return Fail(Code::kInvalid, "its manifest.json names no configuration");
  GODWIT_TRY(manifest.layers, Texts(images->front(), "Layers"));
  GODWIT_TRY(CheckLayers(manifest.layers.size()));
  return manifest;
}

Result<ImageDocument> ParseImage(std::string_view text, std::string_view architecture) {
  GODWIT_TRY(const json::value value, Parse(text, "configuration"));
  ImageDocument image;
  image.os = Text(value, "os");
  image.architecture = Text(value, "architecture");
  if (image.os != "linux" || image.architecture != architecture) {
    return Fail(Code::kUnsupported, "it is for {}/{}, and this node is linux/{}",
                image.os.empty() ? "nothing" : image.os.substr(0, 32),
                image.architecture.empty() ? "nothing" : image.architecture.substr(0, 32),
                architecture);
  }
  if (const auto* rootfs = Find(value, "rootfs")) {
    GODWIT_TRY(image.diff_ids, Texts(*rootfs, "diff_ids"));
  }
  GODWIT_TRY(CheckLayers(image.diff_ids.size()));
  if (!std::ranges::all_of(image.diff_ids, IsDigest))
    return Fail(Code::kInvalid, "its configuration has a layer without a SHA-256 digest");
  if (const auto* config = Find(value, "config")) {
    GODWIT_TRY(image.config.entrypoint, Texts(*config, "Entrypoint"));
    GODWIT_TRY(image.config.command, Texts(*config, "Cmd"));
    GODWIT_TRY(image.config.environment, Texts(*config, "Env"));
    std::erase_if(image.config.environment, [](const std::string& variable) {
      const size_t equals = variable.find('=');
      return equals == std::string::npos || equals == 0;
    });
    image.config.directory = Text(*config, "WorkingDir");
    if (image.config.directory.size() > 4096 || image.config.directory.contains('\0'))
      return Fail(Code::kInvalid, "its working directory is no path");
    GODWIT_TRY(CheckStart(image.config));
  }
  return image;
}

std::string_view OwnArchitecture() {
#if defined(__aarch64__)
  return "arm64";
#else
  return "amd64";
#endif
}

}  // namespace godwit::images
