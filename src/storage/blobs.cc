#include "storage/blobs.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "base/bytes.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/try.h"
#include "storage/blob_file.h"
#include "storage/content.h"
#include "storage/content_hash.h"
#include "storage/first_error.h"
#include "storage/new_file.h"

namespace godwit::storage {
namespace {

constexpr size_t kSaltBytes = 32;
constexpr size_t kFolderDigits = 2;
constexpr unsigned kMostHelpers = 3;
constexpr size_t kSummedAtOnce = 64;  // pieces

Digest DigestOf(const BlobId& id) {
  Digest digest = {};
  std::ranges::copy(FromHex(id.hex).value_or(std::string(digest.size(), '\0')), digest.begin());
  return digest;
}

unsigned HelpersHere() {
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  return std::min(cores - 1, kMostHelpers);
}

}  // namespace

std::optional<BlobId> BlobId::Parse(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  if (text.size() != 2 * sizeof(Digest)) return std::nullopt;
  if (text.find_first_not_of(kDigits) != std::string_view::npos) return std::nullopt;
  return BlobId{std::string(text)};
}

struct Blobs::Parts {
  Parts(std::string root_path, const NodeKey& key, Entropy& source)
      : root(std::move(root_path)),
        hash_keys(key),
        seal_key(key.Derive("godwit blob seal v1")),
        sum_key(key.Derive("godwit page sum v1")),
        entropy(source),
        crew(HelpersHere()),
        benches(crew.size()) {}

  std::string FolderOf(const BlobId& id) const {
    return root + '/' + id.hex.substr(0, kFolderDigits);
  }
  // An id that is none, from a damaged database say, must not lead out of the directory.
  std::string PathOf(const BlobId& id) const {
    if (!BlobId::Parse(id.hex)) return root + "/no-such-blob";
    return FolderOf(id) + '/' + id.hex.substr(kFolderDigits);
  }

  // Completes an error that knows neither the blob nor the way out.
  std::unexpected<Error> Explain(const Error& error, std::string_view verb,
                                 const BlobId& id) const {
    const std::string_view way =
        error.code() == Code::kNotFound      ? "it was removed, or never kept"
        : error.code() == Code::kUnsupported ? "start the newer program that wrote it"
        : error.code() == Code::kCorrupt
            ? "put the file back from a backup together with its node.key, "
              "or make the blob anew"
            : "see what ails the disk";
    return Fail(error.code(), "cannot {} the blob '{}': {}, file '{}' ({})", verb, id.hex,
                error.ToString(), PathOf(id), way);
  }

  Result<BlobFile> OpenBlob(const BlobId& id, std::string_view bond = {}) const {
    const int fd = ::open(PathOf(id).c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return FailErrno(errno, "it does not open");
    return BlobFile::Open(Fd(fd), DigestOf(id), seal_key, bond);
  }

  // Whether the blob is there, whole and authentic.
  bool Has(const BlobId& id) {
    const Result<BlobFile> file = OpenBlob(id);
    if (!file) return false;
    FirstError failure;
    crew.ForEach(file->header().Chunks(), [&](size_t i) {
      if (!failure) failure.Note(file->ProveChunk(i, *Benches::Lent(benches)));
    });
    return !failure;
  }

  // The folder's own name too: whoever made the folder may not have synced it.
  Result<> SyncNames(const BlobId& id) const {
    GODWIT_TRY(SyncDirectory(FolderOf(id)));
    return SyncDirectory(root);
  }

  Result<> Write(const BlobId& id, const Content& content, Tail& tail, bool unique,
                 PutOptions options) {
    Result<> written = TryToWrite(id, content, tail, unique, options);
    if (written) return {};
    if (tail.failure()) return std::unexpected(*tail.failure());  // it is not the disk that failed
    const std::string_view way = written.error().code() == Code::kNoSpace
                                     ? "free some space there, or move the store with --data"
                                     : "see what ails the disk";
    return Fail(written.error().code(), "cannot keep {} bytes in '{}': {} ({})",
                content.size() + tail.bytes(), root, written.error().ToString(), way);
  }

  Result<> TryToWrite(const BlobId& id, const Content& content, Tail& tail, bool unique,
                      PutOptions options) {
    const bool durable = options.durability == Durability::kDurable;
    if (GODWIT_FAULT_FAILS(kImageStoreFull)) return FailErrno(ENOSPC, "a fault was asked for");
    const std::string salt = entropy.Bytes(kSaltBytes);
    GODWIT_TRY(NewFile file, NewFile::In(root, ToHex(salt)));
    GODWIT_TRY(WriteBlob(file.get(), content, tail,
                         {.id = DigestOf(id),
                          .seal_key = seal_key,
                          .salt = salt,
                          .cipher = FasterCipher(),
                          .packing = options.packing,
                          .unique = unique,
                          .chunk_bytes = options.chunk_bytes,
                          .bond = options.bond},
                         crew, benches));
    if (durable && ::fdatasync(file.get()) != 0) return FailErrno(errno, "cannot sync");
    const std::string folder = FolderOf(id);
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
      return FailErrno(errno, "cannot make '{}'", folder);
    }
    GODWIT_TRY(file.PublishAs(PathOf(id)));
    return durable ? SyncNames(id) : Result<>();
  }

  const std::string root;
  const HashKeys hash_keys;
  const Digest seal_key;
  Digest sum_key;
  Entropy& entropy;
  Crew crew;
  Benches benches;
};

Result<std::unique_ptr<Blobs>> Blobs::Open(const std::string& directory, const NodeKey& key,
                                           Entropy& entropy) {
  // Picks libsodium's code for this processor; may be called any number of times.
  if (sodium_init() < 0) return Fail(Code::kInternal, "cannot open the blobs: no libsodium");
  const std::string root = directory + "/blobs";
  GODWIT_TRY(DiskFiles()->MakeDirectory(root).Within("cannot open the blobs"));
  GODWIT_TRY(SyncDirectory(directory));
  NewFile::RemoveParts(root);
  return std::unique_ptr<Blobs>(new Blobs(std::make_unique<Parts>(root, key, entropy)));
}

Blobs::Blobs(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Blobs::~Blobs() = default;

Result<BlobId> Blobs::Put(std::span<const std::string_view> parts, PutOptions options) {
  const Content content(parts);
  const Digest digest = HashContent(parts_->hash_keys, content, parts_->crew, parts_->benches);
  BlobId id{ToHex({reinterpret_cast<const char*>(digest.data()), digest.size()})};
  if (parts_->Has(id)) {
    if (options.durability == Durability::kDurable) GODWIT_TRY(Sync(id));
    return id;
  }
  Tail none;
  GODWIT_TRY(parts_->Write(id, content, none, false, options));
  return id;
}

Result<BlobId> Blobs::PutUnique(std::span<const std::string_view> parts, Tail& tail,
                                PutOptions options) {
  BlobId id{ToHex(parts_->entropy.Bytes(sizeof(Digest)))};
  GODWIT_TRY(parts_->Write(id, Content(parts), tail, true, options));
  return id;
}

namespace {

// Slice by slice: who syncs a few bytes of the same disk meanwhile waits for a slice, not for all.
Result<> WriteBack(int fd) {
  constexpr off_t kSlice = off_t{32} << 20;
  struct stat st = {};
  if (::fstat(fd, &st) != 0) return FailErrno(errno, "cannot look at it");
  for (off_t at = 0; at < st.st_size; at += kSlice) {
    // Told here, an error is not told by fsync again.
    if (::sync_file_range(fd, at, kSlice,
                          SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                              SYNC_FILE_RANGE_WAIT_AFTER) != 0 &&
        errno != ENOSYS && errno != EINVAL)
      return FailErrno(errno, "it does not sync");
  }
  if (::fsync(fd) != 0) return FailErrno(errno, "it does not sync");
  return {};
}

}  // namespace

Result<> Blobs::Sync(const BlobId& id) {
  const Fd file(::open(parts_->PathOf(id).c_str(), O_RDONLY | O_CLOEXEC));
  const Result<> synced = file ? WriteBack(file.get()) : FailErrno(errno, "it does not sync");
  if (!synced) return parts_->Explain(synced.error(), "sync", id);
  return parts_->SyncNames(id);
}

Result<std::string> Blobs::Get(const BlobId& id, uint64_t limit) {
  const Result<BlobFile> file = parts_->OpenBlob(id);
  if (!file) return parts_->Explain(file.error(), "read", id);
  const uint64_t size = file->header().plain_bytes;
  if (size > limit) {
    return Fail(Code::kTooLarge, "cannot read the blob '{}': it has {} bytes, {} are allowed here",
                id.hex, size, limit);
  }
  std::string bytes;
  FirstError failure;
  // Filled by many threads before it counts as written: zeroing it first would touch it twice.
  bytes.resize_and_overwrite(size, [&](char* into, size_t) {
    parts_->crew.ForEach(file->header().Chunks(), [&](size_t i) {
      if (failure) return;
      failure.Note(file->ReadChunk(
          i, *Benches::Lent(parts_->benches),
          {into + uint64_t{i} * file->header().chunk_bytes, file->header().PlainOf(i)}));
    });
    return size;
  });
  if (auto read = failure.Taken(); !read) return parts_->Explain(read.error(), "read", id);
  return bytes;
}

Result<> Blobs::Fill(const BlobId& id, std::span<char> into) {
  const Result<BlobFile> file = parts_->OpenBlob(id);
  if (!file) return parts_->Explain(file.error(), "read", id);
  if (file->header().plain_bytes != into.size()) {
    return Fail(Code::kInvalid, "cannot read the blob '{}' into {} bytes: it has {}", id.hex,
                into.size(), file->header().plain_bytes);
  }
  FirstError failure;
  parts_->crew.ForEach(file->header().Chunks(), [&](size_t i) {
    if (failure) return;
    failure.Note(
        file->ReadChunk(i, *Benches::Lent(parts_->benches),
                        into.subspan(i * file->header().chunk_bytes, file->header().PlainOf(i))));
  });
  if (auto read = failure.Taken(); !read) return parts_->Explain(read.error(), "read", id);
  return {};
}

Result<> Blobs::Stream(const BlobId& id, const std::function<Result<>(std::string_view)>& sink,
                       std::string_view bond, BlobRange range) {
  const Result<BlobFile> file = parts_->OpenBlob(id, bond);
  if (!file) return parts_->Explain(file.error(), "read", id);
  const BlobHeader& header = file->header();
  const uint64_t end = std::min(range.to, header.plain_bytes);
  if (range.from >= end && range.from > 0) return {};
  const uint64_t first = range.from / header.chunk_bytes;
  const uint64_t chunks =
      std::max<uint64_t>(1, (end + header.chunk_bytes - 1) / header.chunk_bytes);
  FirstError unreadable;
  FirstError refused;  // by the sink, whose error is passed on as it is
  std::mutex mutex;
  std::condition_variable next;
  size_t turn = 0;
  parts_->crew.ForEach(chunks - first, [&](size_t i) {
    const Benches::Lent bench(parts_->benches);
    const uint64_t chunk = first + i;
    const uint32_t size = header.PlainOf(chunk);
    if (bench->plain.size() < size) bench->plain.resize(size);
    if (!unreadable && !refused) {
      unreadable.Note(file->ReadChunk(chunk, *bench, {bench->plain.data(), size}));
    }
    const uint64_t begin = chunk * header.chunk_bytes;
    const uint64_t skipped = std::max(range.from, begin) - begin;
    const uint64_t wanted = std::min<uint64_t>(end - begin, size) - skipped;
    std::unique_lock lock(mutex);
    next.wait(lock, [&] { return turn == i; });
    if (!unreadable && !refused) refused.Note(sink({bench->plain.data() + skipped, wanted}));
    ++turn;
    next.notify_all();
  });
  if (auto read = unreadable.Taken(); !read) return parts_->Explain(read.error(), "read", id);
  return refused.Taken();
}

namespace {

// Keeps the chunks that it read a part of last, for who reads on where they end.
class ChunkReader final : public BlobReader {
 public:
  using Explain = std::function<Result<>(const Error&)>;
  ChunkReader(BlobFile file, Benches& benches, Explain explain)
      : file_(std::move(file)), benches_(benches), explain_(std::move(explain)) {}

  uint64_t size() const override { return file_.header().plain_bytes; }

  Result<> Read(uint64_t offset, std::span<char> into) override {
    if (into.size() > size() || offset > size() - into.size())
      return explain_(Error(Code::kTooLarge, fmt::format("it has {} bytes only", size())));
    const uint32_t chunk_bytes = file_.header().chunk_bytes;
    while (!into.empty()) {
      const uint64_t chunk = offset / chunk_bytes;
      const uint64_t skipped = offset % chunk_bytes;
      const size_t part = std::min<uint64_t>(into.size(), file_.header().PlainOf(chunk) - skipped);
      const bool whole = part == file_.header().PlainOf(chunk);
      auto read =
          whole ? ReadInto(chunk, into.first(part)) : ReadPart(chunk, skipped, into.first(part));
      if (!read) return explain_(read.error());
      offset += part;
      into = into.subspan(part);
    }
    return {};
  }

 private:
  struct Kept {
    uint64_t chunk = UINT64_MAX;
    std::string plain;
  };
  static constexpr size_t kKept = 4;

  Result<> ReadInto(uint64_t chunk, std::span<char> into) {
    return file_.ReadChunk(chunk, *Benches::Lent(benches_), into);
  }

  // Two who want the same chunk at the same moment both open it: neither waits for the other.
  Result<> ReadPart(uint64_t chunk, uint64_t skipped, std::span<char> into) {
    Kept mine;
    {
      const std::lock_guard lock(mutex_);
      const auto found = std::ranges::find(kept_, chunk, &Kept::chunk);
      if (found != kept_.end()) {
        std::rotate(kept_.begin(), found, found + 1);
        std::copy_n(kept_.front().plain.begin() + static_cast<ptrdiff_t>(skipped), into.size(),
                    into.begin());
        return {};
      }
      if (kept_.size() == kKept) {
        mine = std::move(kept_.back());
        kept_.pop_back();
      }
    }
    mine.chunk = chunk;
    mine.plain.resize(file_.header().PlainOf(chunk));
    GODWIT_TRY(ReadInto(chunk, mine.plain));
    std::copy_n(mine.plain.begin() + static_cast<ptrdiff_t>(skipped), into.size(), into.begin());
    const std::lock_guard lock(mutex_);
    if (kept_.size() == kKept) kept_.pop_back();
    kept_.push_front(std::move(mine));
    return {};
  }

  BlobFile file_;
  Benches& benches_;
  Explain explain_;
  std::mutex mutex_;
  std::deque<Kept> kept_;  // the newest first; guarded by mutex_
};

}  // namespace

Result<std::unique_ptr<BlobReader>> Blobs::OpenReader(const BlobId& id, std::string_view bond) {
  auto file = parts_->OpenBlob(id, bond);
  if (!file) return parts_->Explain(file.error(), "read", id);
  return std::make_unique<ChunkReader>(*std::move(file), parts_->benches,
                                       [parts = parts_.get(), id](const Error& error) -> Result<> {
                                         return parts->Explain(error, "read", id);
                                       });
}

Result<> Blobs::Check(const BlobId& id) {
  const Result<BlobFile> file = parts_->OpenBlob(id);
  if (!file) return parts_->Explain(file.error(), "read", id);
  if (file->header().unique) return Stream(id, [](std::string_view) { return Result<>(); });
  RunningHash hash(parts_->hash_keys);
  GODWIT_TRY(Stream(id, [&](std::string_view chunk) -> Result<> {
    hash.Add(chunk);
    return {};
  }));
  if (hash.Finish() == DigestOf(id)) return {};
  return parts_->Explain(Error(Code::kCorrupt, "its content has another name"), "check", id);
}

std::string Blobs::SumPieces(std::string_view bytes, size_t piece_bytes) {
  const size_t pieces = (bytes.size() + piece_bytes - 1) / piece_bytes;
  std::string sums(pieces * kSumBytes, '\0');
  parts_->crew.ForEach((pieces + kSummedAtOnce - 1) / kSummedAtOnce, [&](size_t turn) {
    const size_t first = turn * kSummedAtOnce;
    const size_t count = std::min(kSummedAtOnce, pieces - first);
    std::array<std::string_view, kSummedAtOnce> leaves;
    std::array<Digest, kSummedAtOnce> digests;
    for (size_t i = 0; i < count; ++i)
      leaves[i] = bytes.substr((first + i) * piece_bytes, piece_bytes);
    HashLeaves(parts_->sum_key, std::span(leaves).first(count), std::span(digests).first(count));
    for (size_t i = 0; i < count; ++i)
      std::copy_n(digests[i].begin(), kSumBytes, sums.data() + (first + i) * kSumBytes);
  });
  return sums;
}

void Blobs::SumPagesWith(const Digest& key) { parts_->sum_key = key; }

Result<uint64_t> Blobs::Size(const BlobId& id) {
  const Result<BlobFile> file = parts_->OpenBlob(id);
  if (!file) return parts_->Explain(file.error(), "read", id);
  return file->header().plain_bytes;
}

Result<uint64_t> Blobs::StoredSize(const BlobId& id) {
  struct stat st = {};
  if (::stat(parts_->PathOf(id).c_str(), &st) != 0) {
    return parts_->Explain(FailErrno(errno, "it is not to be seen").error(), "look at", id);
  }
  return static_cast<uint64_t>(st.st_size);
}

Result<> Blobs::Remove(const BlobId& id) {
  if (::unlink(parts_->PathOf(id).c_str()) != 0 && errno != ENOENT) {
    return parts_->Explain(FailErrno(errno, "it stays").error(), "remove", id);
  }
  return {};
}

Result<std::vector<BlobId>> Blobs::List() {
  const auto files = DiskFiles();
  std::vector<BlobId> ids;
  GODWIT_TRY(const auto folders, files->List(parts_->root));
  for (const auto& folder : folders) {
    if (folder.size() != kFolderDigits) continue;
    GODWIT_TRY(const auto names, files->List(parts_->root + '/' + folder));
    for (const auto& name : names) {
      if (auto id = BlobId::Parse(folder + name)) ids.push_back(*std::move(id));
    }
  }
  return ids;
}

}  // namespace godwit::storage
