#include "docker/base_image.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <memory>

#include "base/fd.h"
#include "base/try.h"
#include "storage/utf8_locale.h"

namespace godwit::docker {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxFile = size_t{16} << 20;

struct Freed {
  void operator()(archive* writer) const { archive_write_free(writer); }
  void operator()(archive_entry* entry) const { archive_entry_free(entry); }
};

la_ssize_t Append(archive*, void* to, const void* bytes, size_t size) {
  static_cast<std::string*>(to)->append(static_cast<const char*>(bytes), size);
  return static_cast<la_ssize_t>(size);
}

Result<> Add(archive* writer, const fs::path& path, const std::string& name) {
  struct stat st = {};
  if (::lstat(path.c_str(), &st) != 0)
    return FailErrno(errno, "cannot look at '{}'", path.string());
  std::string body;
  if (S_ISREG(st.st_mode)) {
    GODWIT_TRY(const Fd file, Open(path, O_RDONLY));
    GODWIT_TRY(body, ReadAll(file.get(), kMaxFile).Within("cannot read '{}'", path.string()));
  } else if (!S_ISDIR(st.st_mode) && !S_ISLNK(st.st_mode)) {
    return {};
  }
  const std::unique_ptr<archive_entry, Freed> entry(archive_entry_new());
  archive_entry_set_pathname(entry.get(), name.c_str());
  archive_entry_set_mode(entry.get(), st.st_mode);
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(body.size()));
  std::error_code unknown;
  if (S_ISLNK(st.st_mode))
    archive_entry_set_symlink(entry.get(), fs::read_symlink(path, unknown).c_str());
  if (archive_write_header(writer, entry.get()) != ARCHIVE_OK ||
      archive_write_data(writer, body.data(), body.size()) != static_cast<la_ssize_t>(body.size()))
    return Fail(Code::kInternal, "cannot put '{}' into a tar", path.string());
  return {};
}

}  // namespace

Result<std::string> TarOf(const std::string& directory) {
  const storage::Utf8Locale utf8;  // of names
  std::string tar;
  const std::unique_ptr<archive, Freed> writer(archive_write_new());
  archive_write_set_format_pax_restricted(writer.get());
  if (archive_write_open(writer.get(), &tar, nullptr, &Append, nullptr) != ARCHIVE_OK)
    return Fail(Code::kInternal, "cannot begin a tar");
  std::error_code error;
  for (const auto& entry : fs::recursive_directory_iterator(directory, error)) {
    GODWIT_TRY(Add(writer.get(), entry.path(), entry.path().lexically_relative(directory)));
  }
  if (error) return Fail(Code::kInternal, "cannot read '{}': {}", directory, error.message());
  if (archive_write_close(writer.get()) != ARCHIVE_OK)
    return Fail(Code::kInternal, "cannot end a tar");
  return tar;
}

}  // namespace godwit::docker
