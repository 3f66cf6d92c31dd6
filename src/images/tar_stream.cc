#include "images/tar_stream.h"

#include <cerrno>

#include "base/try.h"
#include "storage/entry_path.h"

namespace godwit::images {
namespace {

constexpr size_t kPieceBytes = size_t{256} << 10;

}  // namespace

std::string ReasonOf(archive* reader) {
  const char* const text = archive_error_string(reader);
  return text != nullptr ? storage::ShownEntry(text) : "it is damaged";
}

TarStream::~TarStream() {
  tar_.reset();  // it reads through the other
  plain_.reset();
}

Result<std::unique_ptr<TarStream>> TarStream::Open(const std::string& file, uint64_t most) {
  std::unique_ptr<TarStream> stream(new TarStream(most));
  GODWIT_TRY(stream->Opened(file));
  return stream;
}

Result<> TarStream::Opened(const std::string& file) {
  plain_.reset(archive_read_new());
  archive_read_support_filter_gzip(plain_.get());
  archive_read_support_filter_zstd(plain_.get());
  archive_read_support_format_raw(plain_.get());
  archive_read_support_format_empty(plain_.get());
  archive_entry* whole = nullptr;
  if (archive_read_open_filename(plain_.get(), file.c_str(), kPieceBytes) != ARCHIVE_OK)
    return Fail(Code::kInvalid, "it is no tar: {}", ReasonOf(plain_.get()));
  if (archive_read_next_header(plain_.get(), &whole) != ARCHIVE_OK)
    return Fail(Code::kInvalid, "it is no tar: {}", ReasonOf(plain_.get()));
  buffer_.resize(kPieceBytes);
  piece_.resize(kPieceBytes);
  tar_.reset(archive_read_new());
  archive_read_support_format_tar(tar_.get());
  archive_read_support_format_empty(tar_.get());
  if (archive_read_open(tar_.get(), this, nullptr, &TarStream::Feed, nullptr) != ARCHIVE_OK)
    return Fail(Code::kInvalid, "it is no tar: {}", ReasonOf(tar_.get()));
  return {};
}

la_ssize_t TarStream::Feed(archive*, void* self, const void** bytes) {
  return static_cast<TarStream*>(self)->More(bytes);
}

la_ssize_t TarStream::More(const void** bytes) {
  const la_ssize_t n = archive_read_data(plain_.get(), buffer_.data(), buffer_.size());
  if (n < 0) {
    archive_set_error(tar_.get(), EINVAL, "%s", ReasonOf(plain_.get()).c_str());
    return -1;
  }
  if (static_cast<uint64_t>(n) > left_) {
    archive_set_error(plain_.get(), EINVAL, "it is longer than is taken");
    archive_set_error(tar_.get(), EINVAL, "it is longer than is taken");
    return -1;
  }
  left_ -= static_cast<uint64_t>(n);
  digest_.Add({buffer_.data(), static_cast<size_t>(n)});
  *bytes = buffer_.data();
  return n;
}

Result<archive_entry*> TarStream::Next() {
  archive_entry* entry = nullptr;
  const int answer = archive_read_next_header(tar_.get(), &entry);
  if (answer == ARCHIVE_EOF) return nullptr;
  if (answer == ARCHIVE_OK || answer == ARCHIVE_WARN) return entry;
  return Fail(Code::kInvalid, "it is no whole tar: {}", ReasonOf(tar_.get()));
}

Result<std::string_view> TarStream::Read() {
  const la_ssize_t n = archive_read_data(tar_.get(), piece_.data(), piece_.size());
  if (n < 0) return Fail(Code::kInvalid, "it is no whole tar: {}", ReasonOf(tar_.get()));
  return std::string_view(piece_.data(), static_cast<size_t>(n));
}

Result<std::string> TarStream::DiffId() {
  // Behind the last entry there may be more, which belongs to the digest.
  const void* bytes = nullptr;
  while (true) {
    const la_ssize_t n = More(&bytes);
    if (n < 0) return Fail(Code::kInvalid, "it is no whole tar: {}", ReasonOf(plain_.get()));
    if (n == 0) return digest_.Text();
  }
}

}  // namespace godwit::images
