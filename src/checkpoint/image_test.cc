#include "checkpoint/image.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <thread>

#include "base/files.h"
#include "checkpoint/tree.h"

namespace godwit::checkpoint {
namespace {

namespace fs = std::filesystem;

class ImageTest : public testing::Test {
 protected:
  ImageTest() {
    // In memory, as the /tmp of a function is.
    const fs::path memory = "/dev/shm";
    std::string pattern =
        (fs::is_directory(memory) ? memory : fs::temp_directory_path()) / "godwit-image-XXXXXX";
    home_ = ::mkdtemp(pattern.data());
    for (const auto* name : {"/criu", "/tmp", "/criu2", "/tmp2"})
      fs::create_directory(home_ + name);
    const auto files = DiskFiles();
    fs::create_directory(home_ + "/outside");
    blobs_ = *storage::Blobs::Open(home_ + "/store", *storage::LoadNodeKey(*files, home_, entropy_),
                                   entropy_);
  }
  ~ImageTest() override { fs::remove_all(home_); }

  void Put(const std::string& path, const std::string& text) {
    std::ofstream(home_ + path) << text;
  }
  std::string Get(const std::string& path) {
    std::ifstream in(home_ + path);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
  struct stat Look(const std::string& path) const {
    struct stat st = {};
    EXPECT_EQ(::lstat((home_ + path).c_str(), &st), 0) << path;
    return st;
  }
  std::vector<std::string> Names(const std::string& path) const {
    return *Descent::Begin(home_ + path, path)->Names();
  }
  Result<StoredImage> Store() {
    return StoreImage(*blobs_, From(), "{}", {Durability::kCached, storage::Packing::kFast});
  }
  Result<FetchedImage> Fetch(const StoredImage& stored) {
    return FetchImage(*blobs_, stored.id, To(), ::getuid(), "", false);
  }
  void ThereAndBack() {
    const auto stored = Store();
    ASSERT_TRUE(stored.has_value()) << stored.error().ToString();
    const auto facts = Fetch(*stored);
    ASSERT_TRUE(facts.has_value()) << facts.error().ToString();
  }
  ImagePlaces From() const { return {home_ + "/criu", home_ + "/tmp"}; }
  ImagePlaces To() const { return {home_ + "/criu2", home_ + "/tmp2"}; }

  std::string home_;
  SystemEntropy entropy_;
  std::unique_ptr<storage::Blobs> blobs_;
};

TEST_F(ImageTest, BringsBackWhatWasStoredWithModesLinksAndEmptyFiles) {
  const std::string pages(3 << 20, 'p');
  Put("/criu/pages-1.img", pages);
  Put("/criu/core-100.img", "core");
  Put("/criu/empty.img", "");
  Put("/criu/criu.log", "is left out");
  fs::create_directory(home_ + "/tmp/cache");
  Put("/tmp/cache/state", "42");
  Put("/tmp/none", "");
  fs::create_symlink("cache/state", home_ + "/tmp/link");
  ::chmod((home_ + "/tmp/cache/state").c_str(), 0640);
  const auto stored =
      StoreImage(*blobs_, From(), R"({"facts":1})", {Durability::kCached, storage::Packing::kFast});
  ASSERT_TRUE(stored.has_value()) << stored.error().ToString();
  EXPECT_LT(stored->bytes, 1u << 20);
  const auto image = FetchImage(*blobs_, stored->id, To(), ::getuid(), "", false);
  ASSERT_TRUE(image.has_value()) << image.error().ToString();
  EXPECT_EQ(image->facts, R"({"facts":1})");
  EXPECT_EQ(Get("/criu2/pages-1.img"), pages);
  EXPECT_EQ(Get("/criu2/core-100.img"), "core");
  EXPECT_TRUE(fs::exists(home_ + "/criu2/empty.img"));
  EXPECT_FALSE(fs::exists(home_ + "/criu2/criu.log"));
  EXPECT_EQ(Get("/tmp2/link"), "42");
  EXPECT_TRUE(fs::exists(home_ + "/tmp2/none"));
  struct stat st = {};
  ASSERT_EQ(::stat((home_ + "/tmp2/cache/state").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777U, 0640u);
}

TEST_F(ImageTest, ATamperedImageIsRefusedByName) {
  Put("/criu/pages-1.img", std::string(100'000, 'x'));
  const auto stored =
      StoreImage(*blobs_, From(), "{}", {Durability::kCached, storage::Packing::kNone});
  ASSERT_TRUE(stored.has_value());
  std::string path;
  for (const auto& entry : fs::recursive_directory_iterator(home_ + "/store")) {
    if (entry.is_regular_file() && entry.file_size() > 90'000) path = entry.path();
  }
  ASSERT_FALSE(path.empty());
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(50'000);
  file.put('!');
  file.close();
  const auto facts = FetchImage(*blobs_, stored->id, To(), ::getuid(), "", false);
  ASSERT_FALSE(facts.has_value());
  EXPECT_EQ(facts.error().code(), Code::kCorrupt);
  EXPECT_THAT(facts.error().ToString(), testing::HasSubstr(stored->id.hex));
}

TEST_F(ImageTest, SparseFilesStaySparse) {
  constexpr off_t kHuge = off_t{1} << 40;
  Put("/tmp/disk", "front");
  ASSERT_EQ(::truncate((home_ + "/tmp/disk").c_str(), kHuge), 0);
  {
    const Fd fd = *Open(home_ + "/tmp/disk", O_WRONLY);
    ASSERT_EQ(::pwrite(fd.get(), "middle", 6, kHuge / 2), 6);
  }
  Put("/tmp/hole", "");
  ASSERT_EQ(::truncate((home_ + "/tmp/hole").c_str(), 600 << 20), 0);
  ThereAndBack();
  const struct stat disk = Look("/tmp2/disk");
  EXPECT_EQ(disk.st_size, kHuge);
  EXPECT_LT(disk.st_blocks, 1000);
  const Fd fd = *Open(home_ + "/tmp2/disk", O_RDONLY);
  std::array<char, 7> bytes{};
  EXPECT_EQ(::pread(fd.get(), bytes.data(), 6, kHuge / 2), 6);
  EXPECT_STREQ(bytes.data(), "middle");
  EXPECT_EQ(::pread(fd.get(), bytes.data(), 6, 0), 6);
  EXPECT_STREQ(bytes.data(), "front");
  EXPECT_EQ(Look("/tmp2/hole").st_size, 600 << 20);
  EXPECT_EQ(Look("/tmp2/hole").st_blocks, 0);
}

TEST_F(ImageTest, NamesOfAnyBytesAndManyFilesComeBack) {
  Put("/tmp/caf\xe9\n\"", "latin");
  fs::create_symlink("nowhere/\xff", home_ + "/tmp/\xfe");
  fs::create_directory(home_ + "/tmp/many");
  constexpr int kMany = 5000;
  for (int i = 0; i < kMany; ++i) Put(fmt::format("/tmp/many/{}", i), fmt::format("content {}", i));
  ThereAndBack();
  EXPECT_EQ(Get("/tmp2/caf\xe9\n\""), "latin");
  EXPECT_EQ(fs::read_symlink(home_ + "/tmp2/\xfe"), "nowhere/\xff");
  for (int i = 0; i < kMany; ++i)
    ASSERT_EQ(Get(fmt::format("/tmp2/many/{}", i)), fmt::format("content {}", i));
}

TEST_F(ImageTest, LargeFilesComeBackInOrder) {
  Put("/criu/pages-1.img", std::string(700'000, 'p'));
  std::string large;
  while (large.size() < 5'000'000) large += fmt::format("{} ", large.size());
  Put("/tmp/a", "first");
  Put("/tmp/b", large);
  Put("/tmp/c", "last");
  ThereAndBack();
  EXPECT_EQ(Get("/tmp2/a"), "first");
  EXPECT_EQ(Get("/tmp2/b"), large);
  EXPECT_EQ(Get("/tmp2/c"), "last");
}

TEST_F(ImageTest, KindsModesTimesAndHardLinksComeBack) {
  Put("/criu/pages-1.img", std::string(3 * kPage, 'p'));  // which is passed over, but counts
  fs::create_directories(home_ + "/tmp/d/empty");
  Put("/tmp/d/set", "x");
  ASSERT_EQ(::chmod((home_ + "/tmp/d/set").c_str(), 06751), 0);
  ASSERT_EQ(::mkfifo((home_ + "/tmp/d/fifo").c_str(), 0622), 0);
  ASSERT_EQ(::chmod((home_ + "/tmp/d/fifo").c_str(), 0622), 0);
  fs::create_hard_link(home_ + "/tmp/d/set", home_ + "/tmp/again");
  fs::create_hard_link(home_ + "/tmp/d/set", home_ + "/tmp/d/z");
  fs::create_hard_link(home_ + "/tmp/d/fifo", home_ + "/tmp/pipe");
  fs::create_symlink("nowhere", home_ + "/tmp/link");
  fs::create_hard_link(home_ + "/tmp/link", home_ + "/tmp/link2");
  const timespec times[2] = {{0, 0}, {1'234'567'890, 123'456'789}};
  for (const auto* path : {"/tmp/d/set", "/tmp/d/fifo", "/tmp/link", "/tmp/d/empty", "/tmp/d"})
    ASSERT_EQ(::utimensat(AT_FDCWD, (home_ + path).c_str(), times, AT_SYMLINK_NOFOLLOW), 0);
  ASSERT_EQ(::chmod((home_ + "/tmp/d").c_str(), 02500), 0);
  ThereAndBack();
  EXPECT_EQ(Look("/tmp2/d/set").st_mode, S_IFREG | 06751U);
  EXPECT_EQ(Look("/tmp2/d/fifo").st_mode, S_IFIFO | 0622U);
  EXPECT_EQ(Look("/tmp2/d").st_mode, S_IFDIR | 02500U);
  for (const auto* path :
       {"/tmp2/d/set", "/tmp2/d/fifo", "/tmp2/link", "/tmp2/d/empty", "/tmp2/d"}) {
    EXPECT_EQ(Look(path).st_mtim.tv_sec, 1'234'567'890) << path;
    EXPECT_EQ(Look(path).st_mtim.tv_nsec, 123'456'789) << path;
  }
  EXPECT_EQ(Look("/tmp2/d/set").st_nlink, 3U);
  EXPECT_EQ(Look("/tmp2/again").st_ino, Look("/tmp2/d/set").st_ino);
  EXPECT_EQ(Look("/tmp2/d/z").st_ino, Look("/tmp2/d/set").st_ino);
  EXPECT_EQ(Look("/tmp2/pipe").st_ino, Look("/tmp2/d/fifo").st_ino);
  EXPECT_EQ(Look("/tmp2/link2").st_ino, Look("/tmp2/link").st_ino);
  EXPECT_THAT(Names("/tmp2"), Names("/tmp"));
}

TEST_F(ImageTest, DeepTreesComeBack) {
  const std::string name(200, 'n');
  constexpr int kDepth = 100;
  {
    Descent place = *Descent::Begin(home_ + "/tmp", "/tmp");
    for (int i = 0; i < kDepth; ++i) {
      ASSERT_EQ(::mkdirat(place.fd(), name.c_str(), 0700), 0);
      ASSERT_TRUE(place.Enter(name).has_value());
    }
    const Fd file = *place.Open("deep", O_WRONLY | O_CREAT, 0600);
    ASSERT_TRUE(WriteAll(file.get(), "found").has_value());
  }
  ThereAndBack();
  Descent place = *Descent::Begin(home_ + "/tmp2", "/tmp");
  for (int i = 0; i < kDepth; ++i) ASSERT_TRUE(place.Enter(name).has_value()) << i;
  EXPECT_EQ(*ReadAll(place.Open("deep", O_RDONLY)->get(), 100), "found");
  EmptyDirectory(home_ + "/tmp");
  EmptyDirectory(home_ + "/tmp2");
}

TEST_F(ImageTest, WhatCannotBeCarriedIsRefusedByName) {
  fs::create_directory(home_ + "/tmp/d");
  if (::mknod((home_ + "/tmp/d/null").c_str(), S_IFCHR | 0600, makedev(0, 0)) != 0)
    GTEST_SKIP() << "needs the right to make devices";
  auto stored = Store();
  ASSERT_FALSE(stored.has_value());
  EXPECT_EQ(stored.error().code(), Code::kUnsupported);
  EXPECT_THAT(stored.error().reason(), testing::HasSubstr("'/tmp/d/null' is a device"));
  fs::remove(home_ + "/tmp/d/null");
  Put("/tmp/d/file", "x");
  if (::setxattr((home_ + "/tmp/d/file").c_str(), "user.mark", "1", 1, 0) != 0) return;
  stored = Store();
  ASSERT_FALSE(stored.has_value());
  EXPECT_EQ(stored.error().code(), Code::kUnsupported);
  EXPECT_THAT(stored.error().reason(), testing::HasSubstr("'/tmp/d/file' has extended attributes"));
}

// A process that outlived the dump, at its worst moment: between the making of a directory and of
// what is in it.
TEST_F(ImageTest, ALinkThatIsPutInTheWayLeadsNowhere) {
  fs::create_directory(home_ + "/tmp/d");
  for (int i = 0; i < 200; ++i) Put(fmt::format("/tmp/d/{}", i), "written");
  const auto stored = Store();
  ASSERT_TRUE(stored.has_value());
  fs::create_symlink(home_ + "/outside", home_ + "/tmp2/d");
  EXPECT_FALSE(Fetch(*stored).has_value());
  std::atomic<bool> done = false;
  std::thread hostile([&] {
    while (!done) {
      const std::string at = home_ + "/tmp2/d";
      if (::rename(at.c_str(), (at + "2").c_str()) == 0)
        static_cast<void>(::symlink((home_ + "/outside").c_str(), at.c_str()));
    }
  });
  for (int round = 0; round < 10; ++round) {
    EmptyDirectory(home_ + "/tmp2");
    static_cast<void>(Fetch(*stored));
  }
  done = true;
  hostile.join();
  EXPECT_TRUE(fs::is_empty(home_ + "/outside"));
}

TEST_F(ImageTest, ALinkThatIsPutInTheWayIsNotRead) {
  Put("/outside/secret", "0123456789");
  fs::create_symlink(home_ + "/outside/secret", home_ + "/tmp/file");
  std::vector<ImageEntry> entries = {
      {.kind = ImageEntry::Kind::kFile, .name = "file", .bytes = 10}};
  TreeReader reader = *TreeReader::Begin(home_ + "/tmp", entries);
  std::string bytes(10, ' ');
  EXPECT_FALSE(reader.Read(bytes).has_value());
  EXPECT_EQ(bytes, std::string(10, ' '));
}

TEST_F(ImageTest, AFileThatChangesWhileItIsReadIsRefused) {
  Put("/tmp/file", std::string(10'000, 'x'));
  std::vector<ImageEntry> entries;
  ASSERT_TRUE(ListTree(home_ + "/tmp", entries).has_value());
  std::string bytes(10'000, ' ');
  ASSERT_TRUE(TreeReader::Begin(home_ + "/tmp", entries)->Read(bytes).has_value());
  for (const off_t size : {off_t{5'000}, off_t{20'000}}) {
    ASSERT_EQ(::truncate((home_ + "/tmp/file").c_str(), size), 0);
    const auto read = TreeReader::Begin(home_ + "/tmp", entries)->Read(bytes);
    ASSERT_FALSE(read.has_value());
    EXPECT_EQ(read.error().code(), Code::kBusy);
    EXPECT_THAT(read.error().reason(), testing::HasSubstr("'/tmp/file'"));
  }
}

// Pages like no others; the same number gives the same ones.
std::string SomePages(unsigned number, size_t pages) {
  std::mt19937_64 random(number);
  std::string bytes(pages * kPage, '\0');
  for (size_t i = 0; i < bytes.size(); i += 8) {
    const uint64_t word = random();
    std::memcpy(bytes.data() + i, &word, 8);
  }
  return bytes;
}

// An instance with an image, and its next one on top of it.
class SharedImageTest : public ImageTest {
 protected:
  SharedImageTest() {
    pages_ = SomePages(1, 500) + std::string(100 * kPage, '\0') + SomePages(2, 400);
    Put("/criu/pages-1.img", pages_);
    Put("/criu/core-100.img", "core");
    base_ = *Store();
    for (const size_t at : {size_t{20}, size_t{21}, size_t{550}, size_t{999}})
      pages_.replace(at * kPage, kPage, SomePages(static_cast<unsigned>(100 + at), 1));
    Put("/criu/pages-1.img", pages_);
    next_ = *StoreOn({{base_.id, ""}});
  }
  Result<StoredImage> StoreOn(const std::vector<ImageBase>& bases) {
    return StoreImage(
        *blobs_, From(), [](const auto&) { return std::string("{}"); },
        {Durability::kCached, storage::Packing::kFast}, bases);
  }
  Result<FetchedImage> FetchOn(const StoredImage& stored, const std::vector<ImageBase>& bases) {
    return FetchImage(*blobs_, stored.id, To(), ::getuid(), "", false, bases);
  }
  std::string PathOf(const storage::BlobId& id) const {
    return home_ + "/store/blobs/" + id.hex.substr(0, 2) + "/" + id.hex.substr(2);
  }

  std::string pages_;
  StoredImage base_;
  StoredImage next_;
};

TEST_F(SharedImageTest, OnlyWhatChangedIsStoredAndAllComesBack) {
  EXPECT_THAT(next_.bases, testing::ElementsAre(0));
  EXPECT_EQ(next_.own_bytes, 4 * kPage);
  EXPECT_LT(next_.bytes, 6 * kPage);
  const auto image = FetchOn(next_, {{base_.id, ""}});
  ASSERT_TRUE(image.has_value()) << image.error().ToString();
  EXPECT_TRUE(Get("/criu2/pages-1.img") == pages_);
  EXPECT_EQ(Get("/criu2/core-100.img"), "core");
}

TEST_F(SharedImageTest, AThirdOneRefersToBothDirectly) {
  for (size_t at = 0; at < 100; ++at)
    pages_.replace(at * kPage, kPage, SomePages(static_cast<unsigned>(5000 + at), 1));
  Put("/criu/pages-1.img", pages_);
  const StoredImage second = *StoreOn({{base_.id, ""}});
  pages_ += SomePages(9, 20);
  Put("/criu/pages-1.img", pages_);
  const auto third = StoreOn({{base_.id, ""}, {second.id, ""}});
  ASSERT_TRUE(third.has_value()) << third.error().ToString();
  EXPECT_THAT(third->bases, testing::ElementsAre(0, 1));
  EXPECT_EQ(third->own_bytes, 20 * kPage);
  const auto image = FetchOn(*third, {{second.id, ""}, {base_.id, ""}});
  ASSERT_TRUE(image.has_value()) << image.error().ToString();
  EXPECT_TRUE(Get("/criu2/pages-1.img") == pages_);
}

TEST_F(SharedImageTest, WithoutItsBaseItIsRefused) {
  EXPECT_EQ(FetchOn(next_, {}).error().code(), Code::kCorrupt);
  ASSERT_TRUE(blobs_->Remove(base_.id).has_value());
  const auto image = FetchOn(next_, {{base_.id, ""}});
  ASSERT_FALSE(image.has_value());
  EXPECT_EQ(image.error().code(), Code::kNotFound);
  EXPECT_THAT(image.error().ToString(), testing::HasSubstr(base_.id.hex));
  EXPECT_THAT(StoreOn({{base_.id, ""}})->bases, testing::IsEmpty()) << "a whole one instead";
}

TEST_F(SharedImageTest, ADamagedBaseIsNamed) {
  std::fstream file(PathOf(base_.id), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(1'000'000);
  file.put('!').put('?');
  file.close();
  const auto image = FetchOn(next_, {{base_.id, ""}});
  ASSERT_FALSE(image.has_value());
  EXPECT_EQ(image.error().code(), Code::kCorrupt);
  EXPECT_THAT(image.error().ToString(), testing::HasSubstr(base_.id.hex));
}

TEST_F(SharedImageTest, AnotherImageInThePlaceOfTheBaseIsRefused) {
  Put("/criu/pages-1.img", SomePages(7, 1000));
  const StoredImage other = *Store();
  fs::copy_file(PathOf(other.id), PathOf(base_.id), fs::copy_options::overwrite_existing);
  EXPECT_EQ(FetchOn(next_, {{base_.id, ""}}).error().code(), Code::kCorrupt);
  EXPECT_EQ(FetchOn(next_, {{other.id, ""}}).error().code(), Code::kCorrupt);
}

}  // namespace
}  // namespace godwit::checkpoint
