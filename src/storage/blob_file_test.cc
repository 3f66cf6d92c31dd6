#include "storage/blob_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>
#include <sys/mman.h>

#include "base/bytes.h"
#include "storage/blobs.h"
#include "storage/content_hash.h"
#include "storage/test_directory.h"

namespace godwit::storage {
namespace {

const NodeKey node_key{{1, 2, 3}};
const Digest seal_key = node_key.Derive("godwit blob seal v1");
const std::string salt_bytes(32, 's');

Fd MemoryFile(std::string_view bytes) {
  Fd fd(::memfd_create("blob", MFD_CLOEXEC));
  if (!WriteAll(fd.get(), bytes)) std::abort();
  return fd;
}

std::string BytesOf(int fd) {
  ::lseek(fd, 0, SEEK_SET);
  return *ReadAll(fd, size_t{1} << 30);
}

struct Written {
  Digest id;
  std::string bytes;
};

Written Write(std::string_view text, Cipher cipher, Packing packing) {
  Crew crew(0);
  Benches benches(1);
  const Content content(std::span(&text, 1));
  const Fd fd = MemoryFile("");
  Written written{.id = HashContent(HashKeys(node_key), content, crew, benches), .bytes = ""};
  Tail none;
  const auto done = WriteBlob(fd.get(), content, none,
                              {.id = written.id,
                               .seal_key = seal_key,
                               .salt = salt_bytes,
                               .cipher = cipher,
                               .packing = packing},
                              crew, benches);
  if (!done) std::abort();
  written.bytes = BytesOf(fd.get());
  return written;
}

Result<std::string> Read(std::string_view bytes, const Digest& id) {
  Result<BlobFile> file = BlobFile::Open(MemoryFile(bytes), id, seal_key);
  if (!file) return std::unexpected(file.error());
  std::string text(file->header().plain_bytes, '\0');
  Bench bench;
  for (uint64_t i = 0; i < file->header().Chunks(); ++i) {
    const std::span<char> into(text.data() + i * file->header().chunk_bytes,
                               file->header().PlainOf(i));
    if (auto read = file->ReadChunk(i, bench, into); !read) return std::unexpected(read.error());
  }
  return text;
}

std::string Sample() {
  std::string text;
  while (text.size() < 1'200'000) text += fmt::format("page {} of a process; ", text.size());
  return text;
}

// The worked example of docs/formats/blob.md, byte for byte.
TEST(BlobFileTest, TheWorkedExampleHolds) {
  const Written written = Write("hello, godwit", Cipher::kChaCha20Poly1305, Packing::kNone);
  EXPECT_EQ(ToHex({reinterpret_cast<const char*>(written.id.data()), written.id.size()}),
            "bea558af433a51252a4dd07b9cb869c2458d15e4efa7bc3cf3110d4f9ace3813");
  EXPECT_EQ(ToHex(written.bytes),
            "676f6477626c6f620100020000000800"  // magic, version, cipher, reserved, chunk size
            "0d00000000000000"                  // plain size
            "7373737373737373737373737373737373737373737373737373737373737373"  // salt
            "44000000000000001d000000"            // chunk 0: where, how long
            "52230ce9343e03a6519f6b2267"          // the sealed text
            "bf8eaaca1e7e35a0428a3033d7270753");  // its tag

  EXPECT_EQ(*Read(written.bytes, written.id), "hello, godwit");
}

TEST(BlobFileTest, EitherCipherIsReadWhateverTheProcessorPrefers) {
  for (const auto cipher : {Cipher::kAes256Gcm, Cipher::kChaCha20Poly1305}) {
    for (const auto packing : {Packing::kNone, Packing::kFast}) {
      const Written written = Write(Sample(), cipher, packing);
      EXPECT_EQ(*Read(written.bytes, written.id), Sample());
    }
  }
}

RC_GTEST_PROP(BlobFileTest, NoChangeGoesUnseen, ()) {
  static const std::vector<Written> blobs = {
      Write(Sample(), Cipher::kAes256Gcm, Packing::kFast),
      Write(Sample(), Cipher::kChaCha20Poly1305, Packing::kNone),
      Write("hello, godwit", Cipher::kAes256Gcm, Packing::kNone),
      Write("", Cipher::kAes256Gcm, Packing::kFast)};
  const Written& written = blobs[*rc::gen::inRange<size_t>(0, blobs.size())];
  const size_t size = written.bytes.size();
  // Every region: header, table, the seams between chunks, and anywhere.
  const size_t region = *rc::gen::element(kBlobHeaderBytes, size_t{100}, size);
  const size_t at = *rc::gen::inRange<size_t>(0, std::min(region, size));
  std::string changed = written.bytes;
  switch (*rc::gen::inRange(0, 4)) {
    case 0:
      changed[at] = static_cast<char>(changed[at] ^ (1 << *rc::gen::inRange(0, 8)));
      break;
    case 1:
      changed.resize(at);
      break;
    case 2:
      changed.insert(at, 1 + *rc::gen::inRange<size_t>(0, 20), 'x');
      break;
    default:
      changed.erase(at, 1 + *rc::gen::inRange<size_t>(0, 20));
  }
  const auto read = Read(changed, written.id);
  RC_ASSERT(!read.has_value());
  const bool in_version = at == 8 || at == 9;
  RC_ASSERT(read.error().code() == Code::kCorrupt ||
            (in_version && read.error().code() == Code::kUnsupported));
}

TEST(BlobFileTest, ChunksCannotBeExchanged) {
  const Written written = Write(std::string(1'048'576, 'a'), Cipher::kAes256Gcm, Packing::kNone);
  std::string changed = written.bytes;
  const size_t table = kBlobHeaderBytes;
  for (size_t i = 0; i < kBlobEntryBytes; ++i) {
    std::swap(changed[table + i], changed[table + kBlobEntryBytes + i]);
  }
  EXPECT_EQ(Read(changed, written.id).error().code(), Code::kCorrupt);
}

TEST(BlobFileTest, AFileUnderAnotherNameOrKeyDoesNotOpen) {
  const Written one = Write("one", Cipher::kAes256Gcm, Packing::kNone);
  const Written two = Write("two", Cipher::kAes256Gcm, Packing::kNone);
  EXPECT_EQ(Read(one.bytes, two.id).error().code(), Code::kCorrupt);
  auto file = BlobFile::Open(MemoryFile(one.bytes), one.id, NodeKey{{9}}.Derive("x"));
  ASSERT_TRUE(file.has_value());
  Bench bench;
  std::string text(3, '\0');
  EXPECT_EQ(file->ReadChunk(0, bench, text).error().code(), Code::kCorrupt);
  EXPECT_EQ(file->ProveChunk(0, bench).error().code(), Code::kCorrupt);
}

}  // namespace
}  // namespace godwit::storage
