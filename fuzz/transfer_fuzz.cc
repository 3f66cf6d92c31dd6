// What one node of a site says to another about an instance that is on its way.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "functions/luggage.h"
#include "sites/passport.h"
#include "sites/wire.h"

using namespace godwit;  // NOLINT(google-build-using-namespace): a fuzzer is one file

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static storage::Packer packer;
  static_cast<void>(sites::OfferFromBody(text));
  static_cast<void>(sites::PagesFromBody(text, packer));
  static_cast<void>(sites::ResultFromBody(text));
  static_cast<void>(sites::CheckPassport(text, "machine x86_64\nkernel 6.1\ncriu 4.1\n"));
  if (const auto luggage = functions::LuggageFromJson(text)) {
    // What was understood is said again in the same way.
    if (!functions::LuggageFromJson(functions::LuggageToJson(*luggage))) __builtin_trap();
  }
  return 0;
}
