#include "images/parts.h"

#include <fcntl.h>

#include <filesystem>

#include "base/fd.h"
#include "base/try.h"
#include "images/image_json.h"
#include "storage/entry_path.h"
#include "storage/utf8_locale.h"

namespace godwit::images {
namespace {

constexpr size_t kMaxName = 1024;
constexpr uint64_t kHeaderBytes = 4096;  // for each part, at most
constexpr int kMostLinks = 8;            // one behind the other

std::string NameOfBlob(std::string_view digest) {
  return fmt::format("blobs/sha256/{}", HexOf(digest));
}

}  // namespace

Result<Parts> Parts::Of(const std::string& tar, const std::string& work, uint64_t most_bytes,
                        uint64_t most_parts) {
  const storage::Utf8Locale utf8;
  Parts parts(work);
  GODWIT_TRY(const auto stream, TarStream::Open(tar, most_bytes + most_parts * kHeaderBytes));
  uint64_t left = most_bytes;
  for (uint64_t count = 0;; ++count) {
    GODWIT_TRY(archive_entry* const entry, stream->Next());
    if (entry == nullptr) return parts;
    if (count == most_parts)
      return Fail(Code::kTooLarge, "it has more than {} entries", most_parts);
    const char* const name = archive_entry_pathname(entry);
    GODWIT_TRY(parts.Take(*stream, entry, left)
                   .Within("entry '{}'", storage::ShownEntry(name != nullptr ? name : "")));
  }
}

Result<> Parts::Take(TarStream& tar, archive_entry* entry, uint64_t& left) {
  const char* const given = archive_entry_pathname(entry);
  GODWIT_TRY(const std::string name,
             storage::CleanEntryPath(given != nullptr ? given : "", kMaxName));
  const auto above = std::filesystem::path(name).parent_path();
  if (const char* target = archive_entry_hardlink(entry); target != nullptr) {
    GODWIT_TRY(links_[name], storage::CleanEntryPath(target, kMaxName));
    return {};
  }
  if (archive_entry_filetype(entry) == AE_IFLNK) {
    const char* const target = archive_entry_symlink(entry);
    if (target == nullptr) return {};
    links_[name] = (above / target).lexically_normal().string();
    return {};
  }
  if (archive_entry_filetype(entry) != AE_IFREG) return {};
  if (files_.contains(name)) return Fail(Code::kInvalid, "it is there twice");
  std::string file = fmt::format("{}/{}", work_, files_.size());
  GODWIT_TRY(const Fd out, Open(file, O_WRONLY | O_CREAT | O_EXCL, 0600));
  while (true) {
    GODWIT_TRY(const std::string_view piece, tar.Read());
    if (piece.empty()) break;
    if (piece.size() > left) return Fail(Code::kTooLarge, "with it, it is larger than is taken");
    left -= piece.size();
    GODWIT_TRY(WriteAll(out.get(), piece));
  }
  files_.emplace(name, std::move(file));
  return {};
}

bool Parts::Has(std::string_view name) const { return Find(name).has_value(); }

Result<std::string> Parts::Find(std::string_view name) const {
  std::string current(name);
  for (int step = 0; step < kMostLinks; ++step) {
    if (const auto file = files_.find(current); file != files_.end()) return file->second;
    const auto link = links_.find(current);
    if (link == links_.end()) break;
    current = link->second;
  }
  return Fail(Code::kInvalid, "it has no '{}'", storage::ShownEntry(name));
}

Result<std::string> Parts::Read(std::string_view name) const {
  GODWIT_TRY(const std::string path, Find(name));
  GODWIT_TRY(const Fd file, Open(path, O_RDONLY));
  return ReadAll(file.get(), kMaxJson).Within("'{}'", storage::ShownEntry(name));
}

Result<std::string> Parts::FindBlob(std::string_view digest) const {
  GODWIT_TRY(std::string path, Find(NameOfBlob(digest)));
  GODWIT_TRY(const std::string is, Digest::OfFile(path));
  if (is == digest) return path;
  return Fail(Code::kCorrupt, "its part {} is {} (make the tar anew)", digest, is);
}

Result<std::string> Parts::ReadBlob(std::string_view digest) const {
  GODWIT_TRY(FindBlob(digest));
  return Read(NameOfBlob(digest));
}

}  // namespace godwit::images
