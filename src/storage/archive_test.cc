#include "storage/archive.h"

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/test_directory.h"
#include "storage/test_zip.h"

namespace godwit::storage {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr unsigned kLink = 0120777;
constexpr unsigned kDirectory = 040755;

// Paths below a directory with "mode what", sorted.
std::vector<std::string> TreeOf(const std::string& directory) {
  std::vector<std::string> tree;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    struct stat st = {};
    if (::lstat(entry.path().c_str(), &st) != 0) std::abort();
    const std::string what = entry.is_symlink()     ? "-> " + fs::read_symlink(entry).string()
                             : entry.is_directory() ? "/"
                                                    : ReadFile(entry.path());
    tree.push_back(fmt::format("{} {:o} {}", entry.path().lexically_relative(directory).string(),
                               st.st_mode & 07777, what));
  }
  std::ranges::sort(tree);
  return tree;
}

class ArchiveTest : public testing::Test {
 protected:
  Result<> Extract(std::string_view zip, const ExtractLimits& limits = {}) {
    return ExtractZip(zip, into_, limits);
  }
  // The error of a zip that must be refused, and that nothing of it is left.
  Error Refused(const std::vector<TestZipEntry>& entries, const ExtractLimits& limits = {}) {
    const auto done = Extract(MakeZip(entries), limits);
    EXPECT_FALSE(done.has_value());
    EXPECT_THAT(TreeOf(directory_.path()), ElementsAre("outside 644 untouched"));
    if (done) {
      fs::remove_all(into_);
      return {Code::kInternal, "it was accepted"};
    }
    return done.error();
  }
  void SetUp() override { WriteFile(directory_ / "outside", "untouched"); }

  TestDirectory directory_;
  const std::string into_ = directory_ / "code";
};

TEST_F(ArchiveTest, ExtractsFilesDirectoriesAndLinksInside) {
  const auto done = Extract(MakeZip({{.name = "lambda_function.py", .body = "def f(): pass"},
                                     {.name = "bin/run", .body = "#!", .mode = 0100700},
                                     {.name = "./lib//deep/data", .body = "x", .mode = 0100600},
                                     {.name = "empty/", .body = "", .mode = kDirectory},
                                     {.name = "empty/", .body = "", .mode = kDirectory},
                                     {.name = "lib/link", .body = "../bin/run", .mode = kLink},
                                     {.name = "later", .body = "not/here/yet", .mode = kLink},
                                     {.name = "plain", .body = "no mode", .mode = 0}}));
  ASSERT_TRUE(done.has_value()) << done.error().ToString();
  EXPECT_THAT(TreeOf(into_),
              ElementsAre("bin 755 /", "bin/run 755 #!", "empty 755 /",
                          "lambda_function.py 644 def f(): pass", "later 777 -> not/here/yet",
                          "lib 755 /", "lib/deep 755 /", "lib/deep/data 644 x",
                          "lib/link 777 -> ../bin/run", "plain 644 no mode"));
  struct stat st = {};
  ASSERT_EQ(::stat(into_.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777u, 0755u);
  EXPECT_EQ(TreeOf(directory_.path()).size(), 12u) << "no directory beside it is left";
}

TEST_F(ArchiveTest, NamesOutsideOfAsciiAreKept) {
  constexpr unsigned kUtf8 = 1u << 11;
  ASSERT_TRUE(Extract(MakeZip({{.name = "gr\xc3\xbc\xc3\x9f"
                                        "e.py",
                                .body = "",
                                .flags = kUtf8},
                               {.name = "raw-\xfc.py", .body = ""}}))
                  .has_value());
  EXPECT_THAT(TreeOf(into_), ElementsAre("gr\xc3\xbc\xc3\x9f"
                                         "e.py 644 ",
                                         "raw-\xfc.py 644 "));
}

TEST_F(ArchiveTest, NothingReachesOutside) {
  for (const std::string name : {"/etc/passwd", "../outside", "a/../../outside", "..", "a/.."}) {
    const Error error = Refused({{.name = "good", .body = "x"}, {.name = name, .body = "evil"}});
    EXPECT_EQ(error.code(), Code::kInvalid) << name;
    EXPECT_THAT(error.ToString(), HasSubstr("entry '" + name + "'"));
  }
  for (const std::string target : {"/etc", "..", "../outside", "a/../../outside", ""}) {
    const Error error =
        Refused({{.name = "link", .body = target, .mode = kLink}, {.name = "file", .body = ""}});
    EXPECT_EQ(error.code(), Code::kInvalid) << target;
    EXPECT_THAT(error.ToString(), HasSubstr("entry 'link'"));
  }
}

TEST_F(ArchiveTest, LinksThatLeaveTogetherAreSeen) {
  // Read step by step "a/b/up/.." stays inside; through the link "up" it does not.
  EXPECT_EQ(Refused({{.name = "a/b/c/", .body = "", .mode = kDirectory},
                     {.name = "here", .body = ".", .mode = kLink},
                     {.name = "out", .body = "here/../../outside", .mode = kLink}})
                .code(),
            Code::kInvalid);
  EXPECT_EQ(Refused({{.name = "d/up", .body = "..", .mode = kLink},
                     {.name = "out", .body = "d/up/../outside", .mode = kLink}})
                .code(),
            Code::kInvalid);
  EXPECT_EQ(Refused({{.name = "loop", .body = "loop", .mode = kLink}}).code(), Code::kInvalid);
}

TEST_F(ArchiveTest, NothingIsWrittenThroughALink) {
  const Error error = Refused(
      {{.name = "link", .body = ".", .mode = kLink}, {.name = "link/file", .body = "evil"}});
  EXPECT_EQ(error.ToString(), "cannot unpack the zip file: entry 'link/file': 'link' is a file");
  EXPECT_EQ(
      Refused({{.name = "link/file", .body = "evil"}, {.name = "link", .body = ".", .mode = kLink}})
          .code(),
      Code::kInvalid);
}

TEST_F(ArchiveTest, OnlyFilesDirectoriesAndLinks) {
  for (const unsigned mode : {020644u, 060644u, 0140644u}) {
    const Error error = Refused({{.name = "odd", .body = "", .mode = mode}});
    EXPECT_EQ(error.ToString(),
              "cannot unpack the zip file: entry 'odd': it is neither a file nor a directory");
  }
}

TEST_F(ArchiveTest, ANameIsGivenOnce) {
  const TestZipEntry file{.name = "a", .body = "1"};
  EXPECT_THAT(Refused({file, {.name = "./a", .body = "2"}}).ToString(), HasSubstr("there twice"));
  EXPECT_THAT(Refused({file, {.name = "a/b", .body = "2"}}).ToString(), HasSubstr("'a' is a file"));
  EXPECT_EQ(Refused({{.name = "a/b", .body = "2"}, file}).code(), Code::kInvalid);
  EXPECT_EQ(Refused({{.name = ".", .body = "2"}}).code(), Code::kInvalid);
}

TEST_F(ArchiveTest, LimitsHoldWhateverTheHeadersSay) {
  const ExtractLimits limits{.total_bytes = 10, .entries = 4, .path_bytes = 20};
  ASSERT_TRUE(
      Extract(MakeZip({{.name = "a", .body = "12345"}, {.name = "b/c", .body = "12345"}}), limits)
          .has_value());
  fs::remove_all(into_);
  const Error large =
      Refused({{.name = "a", .body = "12345"}, {.name = "b", .body = "123456"}}, limits);
  EXPECT_EQ(large.code(), Code::kTooLarge);
  EXPECT_THAT(large.ToString(), HasSubstr("entry 'b'"));
  EXPECT_EQ(Refused({{.name = "a", .body = ""},
                     {.name = "b", .body = ""},
                     {.name = "c", .body = ""},
                     {.name = "d", .body = ""},
                     {.name = "e", .body = ""}},
                    limits)
                .code(),
            Code::kTooLarge);
  EXPECT_EQ(Refused({{.name = "1/2/3/4/5", .body = ""}}, limits).code(), Code::kTooLarge)
      << "directories count";
  EXPECT_EQ(Refused({{.name = std::string(21, 'n'), .body = ""}}, limits).code(), Code::kInvalid);
}

TEST_F(ArchiveTest, ABombIsStoppedWhileItGrows) {
  TestDirectory source;
  ASSERT_TRUE(fs::create_directory(source / "bomb"));
  WriteFile(source / "bomb/zeros", "");
  fs::resize_file(source / "bomb/zeros", 20'000'000);
  const auto bomb = ZipDirectory(source / "bomb");
  ASSERT_TRUE(bomb.has_value());
  ASSERT_LT(bomb->size(), 100'000u);
  const auto done = Extract(*bomb, {.total_bytes = 1'000'000});
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code(), Code::kTooLarge);
  EXPECT_FALSE(fs::exists(into_));
}

TEST_F(ArchiveTest, NamesThatAreLeftOut) {
  TestDirectory source;
  for (const char* path : {"in/.git/objects", "in/lib/__pycache__", "in/lib/git"})
    fs::create_directories(source / path);
  for (const char* path :
       {".git/HEAD", "lib/__pycache__/a.pyc", "lib/a.py", "lib/.git", ".gitignore"})
    WriteFile(source / (std::string("in/") + path), "x");
  const std::string_view names[] = {".git", "__pycache__"};
  const auto zip = ZipDirectory(source / "in", {}, names);
  ASSERT_TRUE(zip.has_value());
  ASSERT_TRUE(Extract(*zip).has_value());
  std::vector<std::string> there;
  for (const auto& entry : fs::recursive_directory_iterator(into_))
    there.push_back(entry.path().lexically_relative(into_));
  EXPECT_THAT(there, testing::UnorderedElementsAre(".gitignore", "lib", "lib/a.py", "lib/git"));
  const auto empty = ZipDirectory(source / "in/.git/objects");
  ASSERT_FALSE(empty.has_value());
  EXPECT_THAT(empty.error().ToString(), testing::HasSubstr("the folder is empty"));
}

TEST_F(ArchiveTest, DamageIsSeen) {
  const std::string good = MakeZip({{.name = "a", .body = "body"}, {.name = "b", .body = "more"}});
  for (const std::string& zip : {std::string(), std::string("PK"), std::string(1000, 'x'),
                                 good.substr(0, good.size() / 2), good.substr(10)}) {
    const auto done = Extract(zip);
    ASSERT_FALSE(done.has_value()) << zip.size();
    EXPECT_EQ(done.error().code(), Code::kInvalid);
  }
  EXPECT_THAT(Refused({{.name = "a", .body = "body", .crc_error = 1}}).ToString(),
              HasSubstr("entry 'a'"));
  EXPECT_EQ(Refused({{.name = "a", .body = "body", .size_error = 100'000}}).code(), Code::kInvalid);
  EXPECT_EQ(Refused({{.name = "a", .body = "secret", .flags = 1}}).ToString(),
            "cannot unpack the zip file: entry 'a': it is encrypted");
  EXPECT_EQ(Refused({{.name = "d/", .body = "", .mode = kDirectory}}).ToString(),
            "cannot unpack the zip file: it holds no file");
  EXPECT_THAT(Refused({{.name = "a\nb\x01", .body = "", .flags = 1}}).ToString(),
              HasSubstr("'a\\x0ab\\x01'"));
}

TEST_F(ArchiveTest, WhatIsThereIsNotReplaced) {
  ASSERT_TRUE(fs::create_directory(into_));
  EXPECT_TRUE(Extract(MakeZip({{.name = "a", .body = "1"}})).has_value()) << "empty is fine";
  EXPECT_FALSE(Extract(MakeZip({{.name = "b", .body = "2"}})).has_value());
  EXPECT_THAT(TreeOf(into_), ElementsAre("a 644 1"));
  EXPECT_EQ(ExtractZip("PK", directory_ / "none/code").error().code(), Code::kNotFound);
}

TEST_F(ArchiveTest, AFullDiskIsNotTheZipsFault) {
  TestDirectory disk;
  const bool mounted = OnSmallDisk(disk.path(), 64, [&] {
    const auto done =
        ExtractZip(MakeZip({{.name = "a", .body = std::string(500'000, 'a')}}), disk / "code");
    ASSERT_FALSE(done.has_value());
    EXPECT_EQ(done.error().code(), Code::kNoSpace);
    EXPECT_THAT(TreeOf(disk.path()), IsEmpty());
  });
  if (!mounted) GTEST_SKIP() << "needs the right to mount";
}

class ZipDirectoryTest : public ArchiveTest {
 protected:
  void SetUp() override {
    fs::create_directories(source_ / "lib/empty");
    WriteFile(source_ / "handler.py", "def handler(event, context): return 1\n");
    WriteFile(source_ / "lib/bootstrap", "#!/bin/sh\n");
    ::chmod((source_ / "lib/bootstrap").c_str(), 0700);
    fs::create_symlink("lib/bootstrap", source_ / "bootstrap");
    WriteFile(source_ / "gr\xc3\xbc\xc3\x9f", "");
    WriteFile(source_ / ".hidden", std::string(100'000, 'h'));
  }

  TestDirectory source_;
};

TEST_F(ZipDirectoryTest, WhatIsZippedComesBack) {
  const auto zip = ZipDirectory(source_.path());
  ASSERT_TRUE(zip.has_value()) << zip.error().ToString();
  EXPECT_LT(zip->size(), 10'000u) << "it is compressed";
  ASSERT_TRUE(Extract(*zip).has_value());
  EXPECT_THAT(TreeOf(into_),
              ElementsAre(".hidden 644 " + std::string(100'000, 'h'),
                          "bootstrap 777 -> lib/bootstrap", "gr\xc3\xbc\xc3\x9f 644 ",
                          "handler.py 644 def handler(event, context): return 1\n", "lib 755 /",
                          "lib/bootstrap 755 #!/bin/sh\n", "lib/empty 755 /"));
}

TEST_F(ZipDirectoryTest, EqualTreesGiveEqualBytes) {
  const std::string zip = *ZipDirectory(source_.path());
  TestDirectory other;
  fs::copy(source_.path(), other.path(),
           fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  fs::last_write_time(other / "handler.py",
                      fs::file_time_type::clock::now() + std::chrono::hours(9));
  ASSERT_EQ(::chown((other / "handler.py").c_str(), ::getuid(), ::getgid()), 0);
  EXPECT_EQ(*ZipDirectory(other.path()), zip);
  EXPECT_EQ(*ZipDirectory(other.path() + "/"), zip);
  WriteFile(other / "handler.py", "def handler(event, context): return 2\n");
  EXPECT_NE(*ZipDirectory(other.path()), zip);
}

TEST_F(ZipDirectoryTest, RefusesWhatCouldNotBeUnpacked) {
  const auto refused = [&](const std::string& name) {
    const auto zip = ZipDirectory(source_.path());
    EXPECT_FALSE(zip.has_value());
    EXPECT_THAT(zip.error().ToString(),
                HasSubstr("cannot zip '" + source_.path() + "': '" + name + "': "));
    fs::remove(source_ / name);
    return zip.error().code();
  };
  ASSERT_EQ(::mkfifo((source_ / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(refused("pipe"), Code::kInvalid);
  fs::create_symlink("/etc/passwd", source_ / "absolute");
  EXPECT_EQ(refused("absolute"), Code::kInvalid);
  fs::create_symlink("../../x", source_ / "lib/out");
  EXPECT_EQ(refused("lib/out"), Code::kInvalid);
  WriteFile(source_ / "raw-\xfc", "");
  EXPECT_THAT(ZipDirectory(source_.path()).error().ToString(),
              HasSubstr("'raw-\\xfc': its name is not UTF-8"));
  fs::remove(source_ / "raw-\xfc");
  EXPECT_EQ(ZipDirectory(source_.path(), {.total_bytes = 1000}).error().code(), Code::kTooLarge);
  EXPECT_EQ(ZipDirectory(source_.path(), {.entries = 3}).error().code(), Code::kTooLarge);
  EXPECT_EQ(ZipDirectory(source_ / "none").error().code(), Code::kNotFound);
  EXPECT_FALSE(ZipDirectory(source_ / "handler.py").has_value());
}

RC_GTEST_PROP(ArchivePropertyTest, NoZipReachesOutside, ()) {
  static const std::string steps[] = {"a", "b", "c", "d", "e", "link", "..", "."};
  const auto path = [] {
    std::string joined;
    for (int i = *rc::gen::inRange(0, 5); i > 0; --i) {
      joined += steps[*rc::gen::inRange<size_t>(0, std::size(steps))] + "/";
    }
    return joined + steps[*rc::gen::inRange<size_t>(0, std::size(steps))];
  };
  std::vector<TestZipEntry> entries;
  for (int i = *rc::gen::inRange(1, 8); i > 0; --i) {
    const unsigned mode = *rc::gen::element(0100644u, kLink, kDirectory);
    entries.push_back({.name = path(), .body = mode == kLink ? path() : "x", .mode = mode});
  }
  TestDirectory directory;
  WriteFile(directory / "outside", "untouched");
  if (!ExtractZip(MakeZip(entries), directory / "code")) {
    RC_ASSERT(TreeOf(directory.path()) == std::vector<std::string>{"outside 644 untouched"});
    return;
  }
  RC_TAG("extracted");
  RC_ASSERT(ReadFile(directory / "outside") == "untouched");
  const std::string inside = fs::canonical(directory / "code").string();
  for (const auto& entry : fs::recursive_directory_iterator(directory / "code")) {
    const std::string real = fs::weakly_canonical(entry.path()).string();
    RC_ASSERT(real == inside || real.starts_with(inside + "/"));
  }
}

}  // namespace
}  // namespace godwit::storage
