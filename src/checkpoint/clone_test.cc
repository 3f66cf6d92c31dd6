#include "checkpoint/clone.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <filesystem>

#include "base/fd.h"
#include "checkpoint/core_image.h"
#include "checkpoint/image_file.h"

namespace godwit::checkpoint {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr uint32_t kWas = 1'000'000'001;
constexpr uint32_t kIs = 1'000'000'002;

class CloneTest : public testing::Test {
 protected:
  CloneTest() {
    std::string pattern = fs::temp_directory_path() / "godwit-clone-XXXXXX";
    home_ = ::mkdtemp(pattern.data());
    fs::create_directory(From());
    fs::create_directory(To());
    image::Pstree process;
    process.set_pid(100);
    process.set_ppid(0);
    process.add_threads(100);
    Write("pstree.img", {process.SerializeAsString()});
    image::Core core;
    core.set_mtype(kX86);
    auto& ids = *core.mutable_thread_core()->mutable_creds();
    for (const auto set :
         {&image::Credentials::set_uid, &image::Credentials::set_gid, &image::Credentials::set_euid,
          &image::Credentials::set_egid, &image::Credentials::set_suid,
          &image::Credentials::set_sgid, &image::Credentials::set_fsuid}) {
      (ids.*set)(kWas);
    }
    ids.set_fsgid(7);  // some other group stays what it is
    Write("core-100.img", {core.SerializeAsString()});
    Write("pages-1.img", {"memory"});
  }
  ~CloneTest() override { fs::remove_all(home_); }

  std::string From() const { return home_ + "/from"; }
  std::string To() const { return home_ + "/to"; }

  void Write(const std::string& name, std::vector<std::string> entries) {
    ASSERT_TRUE(WriteImageFile(From() + "/" + name, {1, std::move(entries)}));
  }
  static std::string Socket(std::vector<uint32_t> own, uint16_t port, std::vector<uint32_t> peer) {
    image::File file;
    file.set_type(4);
    file.set_id(1);
    auto& isk = *file.mutable_isk();
    isk.set_ino(1);
    isk.set_family(own.size() == 1 ? AF_INET : AF_INET6);
    isk.set_proto(6);
    isk.set_state(1);
    isk.set_src_port(port);
    isk.set_dst_port(80);
    for (const uint32_t word : own) isk.add_src_addr(htonl(word));
    for (const uint32_t word : peer) isk.add_dst_addr(htonl(word));
    return file.SerializeAsString();
  }
  image::Credentials IdsIn(const std::string& images) {
    image::Credentials ids;
    EXPECT_TRUE(ChangeCore(images, 100, [&](image::Core& core) {
      ids = core.thread_core().creds();
      return false;
    }));
    return ids;
  }

  std::string home_;
};

TEST_F(CloneTest, HasAUserOfItsOwnAndSharesTheMemory) {
  ASSERT_TRUE(CopyForClone(From(), To(), kWas, kIs));
  const auto ids = IdsIn(To());
  EXPECT_EQ(ids.uid(), kIs);
  EXPECT_EQ(ids.fsuid(), kIs);
  EXPECT_EQ(ids.fsgid(), 7U);
  EXPECT_EQ(IdsIn(From()).uid(), kWas);
  EXPECT_TRUE(fs::equivalent(From() + "/pages-1.img", To() + "/pages-1.img"));
}

TEST_F(CloneTest, OwnsTheSocketsThatItsTemplateHasBound) {
  image::File file;
  file.set_type(5);
  file.set_id(2);
  auto& permissions = *file.mutable_usk()->mutable_file_perms();
  permissions.set_mode(0755);
  permissions.set_uid(kWas);
  permissions.set_gid(kWas);
  Write("files.img", {file.SerializeAsString()});
  ASSERT_TRUE(CopyForClone(From(), To(), kWas, kIs));
  const auto written = ReadImageFile(To() + "/files.img").value();
  const auto again = ParseEntry<image::File>("files.img", written.entries.front()).value();
  EXPECT_EQ(again.usk().file_perms().uid(), kIs);
}

TEST_F(CloneTest, SocketsOfEverybodyAreCarried) {
  Write("files.img", {Socket({0x7f000001}, 9001, {0x7f000001}), Socket({0}, 8080, {0}),
                      Socket({0, 0, 0, 1}, 8081, {0, 0, 0, 0}),
                      Socket({0, 0, 0xffff, 0x7f000001}, 8082, {0, 0, 0xffff, 0x7f000001})});
  EXPECT_TRUE(CheckClonable(From()));
}

TEST_F(CloneTest, AConnectionToTheOutsideIsNot) {
  Write("files.img", {Socket({0x0af90002}, 4711, {0x01020304})});
  const auto checked = CheckClonable(From());
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code(), Code::kUnsupported);
  EXPECT_THAT(checked.error().ToString(), HasSubstr("port 4711"));
}

TEST_F(CloneTest, NeitherIsADeletedFileThatIsOpen) {
  Write("ghost-file-1.img", {"content"});
  const auto checked = CheckClonable(From());
  ASSERT_FALSE(checked);
  EXPECT_THAT(checked.error().ToString(), HasSubstr("deleted file"));
}

}  // namespace
}  // namespace godwit::checkpoint
