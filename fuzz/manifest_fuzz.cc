// Bytes as the manifest of an image, as a CRIU image file, and as the facts of a suspended
// instance: each is refused with an error, or survives the way out and back in.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "checkpoint/image_file.h"
#include "checkpoint/manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace godwit::checkpoint;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto manifest = ParseManifest(bytes)) {
    if (FormatManifest(*manifest) != bytes) std::abort();
    const auto again = ParseManifest(bytes);
    if (!again || again->entries != manifest->entries || again->facts != manifest->facts)
      std::abort();
    for (const auto& entry : manifest->entries) {
      if (entry.name == ".." || entry.name == "." || entry.name.contains('/')) std::abort();
    }
  }
  if (const auto file = ParseImageFile("input", bytes); file && FormatImageFile(*file) != bytes)
    std::abort();
  return 0;
}
