#include "functions/code_store.h"

#include <filesystem>
#include <vector>

#include "base/bytes.h"
#include "base/try.h"
#include "functions/model.h"
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

// What is left of it under the other name goes with the next start.
void RemoveDirectory(const std::string& directory) {
  const std::string away = directory + ".gone";
  std::error_code error;
  std::filesystem::remove_all(away, error);
  std::filesystem::rename(directory, away, error);
  std::filesystem::remove_all(away, error);
}

}  // namespace

asio::awaitable<Result<CodeStore::Taken>> CodeStore::Take(std::string zip) {
  if (zip.size() > kMaxCode) {
    co_return Fail(Code::kTooLarge, "the zip has {} bytes (at most {} are taken)", zip.size(),
                   kMaxCode);
  }
  const std::string hash = co_await Offload(work_.pool, [&] { return Sha256(zip); });
  KeptCode code{CodeId(hash), "", ToBase64(hash), zip.size()};
  Turns::Held held = co_await turns_.Take(code.id);
  Doubt(code.id, "");
  std::string damaged;
  if (const auto found = damaged_.find(code.id); found != damaged_.end()) damaged = found->second;
  GODWIT_CO_TRY(code.zip_id, co_await Offload(work_.pool, [&]() -> Result<std::string> {
                  if (!damaged.empty()) GODWIT_TRY(work_.blobs.Remove({damaged}));
                  GODWIT_TRY(UnpackTo(DirectoryOf(code.id), zip));
                  const std::string_view part = zip;
                  GODWIT_TRY(const storage::BlobId kept,
                             work_.blobs.Put(std::span(&part, 1),
                                             {Durability::kDurable, storage::Packing::kNone}));
                  return kept.hex;
                }));
  Doubt(code.id, code.zip_id);
  damaged_.erase(code.id);
  co_return Taken{std::move(code), std::move(held)};
}

Result<> CodeStore::Unpack(const std::string& id, const std::string& zip_id) {
  std::error_code error;
  if (std::filesystem::exists(DirectoryOf(id), error)) return {};
  const Result<std::string> zip = work_.blobs.Get({zip_id}, kMaxCode);
  if (zip) return UnpackTo(DirectoryOf(id), *zip);
  damaged_[id] = zip_id;
  return std::unexpected(zip.error());
}

asio::awaitable<Result<std::string>> CodeStore::Zip(std::string zip_id) {
  co_return co_await Offload(work_.pool, [&] { return work_.blobs.Get({zip_id}, kMaxCode); });
}

void CodeStore::Doubt(std::string id, std::string zip_id) {
  std::string& known = doubted_[std::move(id)];
  if (!zip_id.empty()) known = std::move(zip_id);
}

asio::awaitable<void> CodeStore::DropUnused(std::function<Use(const std::string& id)> use) {
  std::vector<std::string> ids;  // more may come meanwhile
  for (const auto& [id, zip_id] : doubted_) ids.push_back(id);
  for (const auto& id : ids) {
    const auto held = turns_.TryTake(id);
    if (!held) continue;  // somebody deploys it: it is doubted still
    const Use now = use(id);
    const std::string zip_id = doubted_[id];
    if (now != Use::kInstances) doubted_.erase(id);
    if (now != Use::kNone) continue;
    co_await Offload(work_.pool, [&] {
      RemoveDirectory(DirectoryOf(id));
      return zip_id.empty() || work_.blobs.Remove({zip_id}).has_value();
    });
  }
}

}  // namespace godwit::functions
