#include "storage/blob_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "base/try.h"
#include "storage/first_error.h"

namespace godwit::storage {
namespace {

// The key of this blob alone, so that chunk numbers can be nonces.
Digest Subkey(const Digest& seal_key, Cipher cipher, std::string_view salt, std::string_view bond) {
  const char number = static_cast<char>(cipher);
  const std::string_view pieces[] = {{&number, 1}, salt, bond};
  return HashPieces(seal_key, pieces);
}

std::string_view BytesOf(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

Result<> ReadAt(int fd, uint64_t at, std::span<char> into) {
  size_t have = 0;
  while (have < into.size()) {
    const ssize_t n =
        ::pread(fd, into.data() + have, into.size() - have, static_cast<off_t>(at + have));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FailErrno(errno, "cannot read {} bytes", into.size() - have);
    if (n == 0) return Fail(Code::kCorrupt, "it was cut off while it was read");
    have += static_cast<size_t>(n);
  }
  return {};
}

void Grow(std::string& buffer, size_t size) {
  if (buffer.size() < size) buffer.resize(size);
}

// The `size` bytes from `at` on of the content with its tail, in place or in `scratch`.
Result<std::string_view> PlainAt(const Content& content, Tail& tail, uint64_t at, uint32_t size,
                                 std::string& scratch) {
  if (at + size <= content.size()) return content.At(at, size, scratch);
  const size_t front = content.size() - std::min(content.size(), at);
  if (front > 0) {
    const std::string_view first = content.At(at, front, scratch);
    if (first.data() != scratch.data()) scratch.assign(first);
  }
  Grow(scratch, size);
  GODWIT_TRY(
      tail.Read(at + front - content.size(), std::span(scratch).subspan(front, size - front)));
  return std::string_view(scratch).substr(0, size);
}

}  // namespace

Result<> WriteBlob(int fd, const Content& content, Tail& tail, const BlobMaking& making, Crew& crew,
                   Benches& benches) {
  BlobHeader header{.cipher = making.cipher,
                    .unique = making.unique,
                    .bonded = !making.bond.empty(),
                    .chunk_bytes = making.chunk_bytes,
                    .plain_bytes = content.size() + tail.bytes()};
  making.salt.copy(header.salt.data(), header.salt.size());
  const std::string header_bytes = EncodeBlobHeader(header);
  const Digest subkey = Subkey(making.seal_key, making.cipher, making.salt, making.bond);
  std::vector<BlobEntry> entries(header.Chunks());
  std::atomic<uint64_t> end = header.FrontBytes();
  FirstError failure;
  crew.ForEach(entries.size(), [&](size_t i) {
    if (failure) return tail.GiveUp();
    const Benches::Lent bench(benches);
    const uint32_t size = header.PlainOf(i);
    const Result<std::string_view> read =
        PlainAt(content, tail, uint64_t{i} * header.chunk_bytes, size, bench->plain);
    if (!read) return failure.Note(std::unexpected(read.error()));
    const std::string_view plain = *read;
    Grow(bench->stored, size + Seal::kTagBytes);
    char* const stored = bench->stored.data();
    const size_t packed = bench->packer.Pack(making.packing, plain, {stored, size});
    Seal seal(making.cipher, subkey);
    seal.Close(i, BoundToChunk(BytesOf(making.id), header_bytes, i, i + 1 == entries.size()),
               packed > 0 ? std::string_view(stored, packed) : plain, stored);
    BlobEntry& entry = entries[i];
    entry.packed = packed > 0;
    entry.stored_bytes = static_cast<uint32_t>((packed > 0 ? packed : size) + Seal::kTagBytes);
    entry.at = end.fetch_add(entry.stored_bytes);
    failure.Note(WriteAt(fd, entry.at, {stored, entry.stored_bytes}));
  });
  GODWIT_TRY(failure.Taken());
  return WriteAt(fd, 0, header_bytes + EncodeBlobTable(entries));
}

Result<BlobFile> BlobFile::Open(Fd fd, const Digest& id, const Digest& seal_key,
                                std::string_view bond) {
  struct stat st = {};
  if (::fstat(fd.get(), &st) != 0) return FailErrno(errno, "cannot look at it");
  const auto file_bytes = static_cast<uint64_t>(st.st_size);
  BlobFile file;
  file.header_bytes_.resize(std::min<uint64_t>(kBlobHeaderBytes, file_bytes));
  GODWIT_TRY(ReadAt(fd.get(), 0, file.header_bytes_));
  GODWIT_TRY(file.header_, DecodeBlobHeader(file.header_bytes_, file_bytes));
  std::string table(std::min(file.header_.FrontBytes(), file_bytes) - kBlobHeaderBytes, '\0');
  GODWIT_TRY(ReadAt(fd.get(), kBlobHeaderBytes, table));
  GODWIT_TRY(file.entries_, DecodeBlobTable(file.header_, table, file_bytes));
  file.fd_ = std::move(fd);
  file.id_ = id;
  file.subkey_ = Subkey(seal_key, file.header_.cipher,
                        {file.header_.salt.data(), file.header_.salt.size()}, bond);
  return file;
}

Result<> BlobFile::OpenChunk(uint64_t chunk, Bench& bench, char* into) const {
  const BlobEntry& entry = entries_[chunk];
  const std::span<char> stored(bench.stored.data(), entry.stored_bytes);
  GODWIT_TRY(ReadAt(fd_.get(), entry.at, stored));
  Seal seal(header_.cipher, subkey_);
  return seal
      .Open(chunk, BoundToChunk(BytesOf(id_), header_bytes_, chunk, chunk + 1 == entries_.size()),
            {stored.data(), stored.size()}, into)
      .Within("chunk {} of {}", chunk + 1, entries_.size());
}

Result<> BlobFile::ReadChunk(uint64_t chunk, Bench& bench, std::span<char> into) const {
  const BlobEntry& entry = entries_[chunk];
  Grow(bench.stored, entry.stored_bytes);
  if (!entry.packed) return OpenChunk(chunk, bench, into.data());
  GODWIT_TRY(OpenChunk(chunk, bench, bench.stored.data()));
  return bench.packer.Unpack({bench.stored.data(), entry.stored_bytes - Seal::kTagBytes}, into)
      .Within("chunk {} of {}", chunk + 1, entries_.size());
}

Result<> BlobFile::ProveChunk(uint64_t chunk, Bench& bench) const {
  Grow(bench.stored, entries_[chunk].stored_bytes);
  return OpenChunk(chunk, bench, bench.stored.data());
}

}  // namespace godwit::storage
