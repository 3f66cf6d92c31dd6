#include "cli/payload.h"

#include <fcntl.h>

#include <filesystem>
#include <istream>
#include <iterator>

#include "base/fd.h"
#include "base/try.h"

namespace godwit::cli {
namespace {

constexpr size_t kMaxPayloadFile =
    64 * 1024 * 1024;  // the node refuses far less, with the true limit

}  // namespace

Result<std::string> ReadPayload(const std::string& given, std::istream& in) {
  if (given == "-") return std::string(std::istreambuf_iterator<char>(in), {});
  if (!given.starts_with('@')) return given;
  std::error_code error;
  if (std::filesystem::is_directory(given.substr(1), error)) {
    return Fail(Code::kInvalid, "'{}' is a folder (name a file with the JSON, as @event.json)",
                given.substr(1));
  }
  GODWIT_TRY(const Fd file, Open(given.substr(1), O_RDONLY));
  return ReadAll(file.get(), kMaxPayloadFile);
}

std::unexpected<Error> PayloadIsNotJson() {
  return Fail(Code::kInvalid,
              "the payload is not JSON (write it in single quotes, as '{{\"name\":\"edge\"}}')");
}

}  // namespace godwit::cli
