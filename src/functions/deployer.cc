#include "functions/deployer.h"

#include <filesystem>

#include "base/bytes.h"
#include "base/try.h"
#include "functions/environment.h"
#include "storage/archive.h"

namespace godwit::functions {

namespace asio = boost::asio;

namespace {

// A directory's name: the zip's hash, so that equal code is unpacked once.
std::string CodeId(const std::string& hash) { return ToHex(hash).substr(0, 40); }

Result<> UnpackTo(const std::string& directory, std::string_view zip) {
  std::error_code error;
  if (std::filesystem::exists(directory, error)) return {};
  return storage::ExtractZip(zip, directory, {});
}

}  // namespace

asio::awaitable<Result<Function>> Deployer::Deploy(FunctionSpec spec, std::string zip) {
  GODWIT_CO_TRY(CheckSpec(spec));
  if (zip.size() > kMaxCode) {
    co_return Fail(Code::kTooLarge, "the zip of function '{}' has {} bytes (at most {} are taken)",
                   spec.name, zip.size(), kMaxCode);
  }
  co_return co_await Offload(work_.pool, [&]() -> Result<Function> {
    const std::string hash = Sha256(zip);
    Function function;
    function.spec = std::move(spec);
    function.code_sha256 = ToBase64(hash);
    function.code_bytes = zip.size();
    function.code_id = CodeId(hash);
    GODWIT_TRY(UnpackTo(work_.directories.code + "/" + function.code_id, zip));
    const std::string_view part = zip;
    GODWIT_TRY(
        const storage::BlobId kept,
        work_.blobs.Put(std::span(&part, 1), {Durability::kDurable, storage::Packing::kNone}));
    function.zip_id = kept.hex;
    function.revision_id = RequestId::New(work_.entropy).text;
    function.last_modified = work_.clock.Wall();
    return function;
  });
}

Result<> Deployer::Unpack(const Function& function) {
  const std::string directory = work_.directories.code + "/" + function.code_id;
  std::error_code error;
  if (std::filesystem::exists(directory, error)) return {};
  GODWIT_TRY(const std::string bytes,
             work_.blobs.Get({function.zip_id}, kMaxCode)
                 .Within("cannot unpack function '{}'", function.spec.name));
  return UnpackTo(directory, bytes);
}

Result<> Deployer::Apply(FunctionSpec& spec, const FunctionPatch& patch) const {
  const auto set = [](auto& field, const auto& change) {
    if (change) field = *change;
  };
  set(spec.runtime, patch.runtime);
  set(spec.handler, patch.handler);
  set(spec.role, patch.role);
  set(spec.description, patch.description);
  set(spec.timeout, patch.timeout);
  set(spec.memory_mb, patch.memory_mb);
  set(spec.ephemeral_mb, patch.ephemeral_mb);
  set(spec.environment, patch.environment);
  set(spec.max_instances, patch.max_instances);
  return CheckSpec(spec);
}

}  // namespace godwit::functions
