#pragma once

// For tests and fuzzers: a tar built by hand (POSIX.1-1988 ustar), with any lie in it, and an image
// around it.
//
// Threads: values. Failure: none.
#include <fmt/core.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "images/image_json.h"

namespace godwit::images {

struct TarEntry {
  std::string name;
  std::string body = {};
  char type = '0';  // 0 file, 1 hard link, 2 symbolic link, 3 device, 5 directory, 6 FIFO
  unsigned mode = 0644;
  std::string target = {};
};

inline std::string MakeTar(const std::vector<TarEntry>& entries) {
  std::string tar;
  for (const auto& entry : entries) {
    std::string header(512, '\0');
    const auto put = [&](size_t at, std::string_view text) {
      header.replace(at, text.size(), text);
    };
    put(0, std::string_view(entry.name).substr(0, 100));
    put(100, fmt::format("{:07o}", entry.mode));
    put(108, "0000000");
    put(116, "0000000");
    put(124, fmt::format("{:011o}", entry.body.size()));
    put(136, "00000000000");
    put(148, "        ");
    header[156] = entry.type;
    put(157, std::string_view(entry.target).substr(0, 100));
    put(257, "ustar");
    put(263, "00");
    put(329, "0000001");
    put(337, "0000003");
    unsigned sum = 0;
    for (const char c : header) sum += static_cast<unsigned char>(c);
    put(148, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
    tar += header + entry.body + std::string((512 - entry.body.size() % 512) % 512, '\0');
  }
  return tar + std::string(1024, '\0');
}

inline std::string DigestOf(std::string_view bytes) { return "sha256:" + ToHex(Sha256(bytes)); }

// The configuration of an image with these plain layers; `config` is what stands in its "config".
inline std::string MakeConfig(const std::vector<std::string>& layers,
                              const std::string& config = R"({"Entrypoint": ["/start"]})") {
  std::string diff_ids;
  for (const auto& layer : layers)
    diff_ids += fmt::format(R"({}"{}")", diff_ids.empty() ? "" : ", ", DigestOf(layer));
  return fmt::format(
      R"({{"os": "linux", "architecture": "{}", "config": {}, "rootfs": {{"diff_ids": [{}]}}}})",
      OwnArchitecture(), config, diff_ids);
}

// As `docker save` has written it up to Docker 24.
inline std::string MakeSaved(const std::vector<std::string>& layers,
                             const std::string& config_text = "") {
  const std::string config = config_text.empty() ? MakeConfig(layers) : config_text;
  std::vector<TarEntry> entries;
  std::string names;
  for (size_t i = 0; i < layers.size(); ++i) {
    entries.push_back({fmt::format("{}/layer.tar", i), layers[i]});
    names += fmt::format(R"({}"{}/layer.tar")", i == 0 ? "" : ", ", i);
  }
  const std::string name = std::string(HexOf(DigestOf(config))) + ".json";
  entries.push_back({name, config});
  entries.push_back(
      {"manifest.json", fmt::format(R"([{{"Config": "{}", "Layers": [{}]}}])", name, names)});
  return MakeTar(entries);
}

// An OCI layout. `packed` are the layers as they are stored, if not plain.
inline std::string MakeLayout(const std::vector<std::string>& layers,
                              const std::vector<std::string>& packed = {}) {
  std::vector<TarEntry> entries = {{"oci-layout", R"({"imageLayoutVersion": "1.0.0"})"}};
  const auto blob = [&](const std::string& bytes) {
    const std::string digest = DigestOf(bytes);
    entries.push_back({fmt::format("blobs/sha256/{}", HexOf(digest)), bytes});
    return fmt::format(R"({{"digest": "{}", "size": {}}})", digest, bytes.size());
  };
  const std::string config = blob(MakeConfig(layers));
  std::string list;
  for (const auto& layer : packed.empty() ? layers : packed)
    list += (list.empty() ? "" : ", ") + blob(layer);
  const std::string manifest =
      blob(fmt::format(R"({{"config": {}, "layers": [{}]}})", config, list));
  entries.push_back({"index.json", fmt::format(R"({{"manifests": [{}]}})", manifest)});
  return MakeTar(entries);
}

}  // namespace godwit::images
