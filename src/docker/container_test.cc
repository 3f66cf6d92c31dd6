#include "docker/container.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <csignal>
#include <filesystem>
#include <thread>

#include "docker/fake_engine.h"
#include "storage/test_directory.h"

namespace godwit::docker {
namespace {

namespace asio = boost::asio;
using testing::HasSubstr;

// Its containers are processes of the test, in the test's own network.
class ContainerTest : public testing::Test {
 protected:
  ContainerTest() {
    fake_.answer = [this](const http::Request& request) { return Answer(request); };
    plan_.name = "i-0123456789";
    plan_.image = "app";
    plan_.home = home_ / "i-0123456789";
  }
  void TearDown() override {
    if (process_ > 0) {
      ::kill(process_, SIGKILL);
      ::waitpid(process_, nullptr, 0);
    }
  }

  http::Response Answer(const http::Request& request) {
    if (request.path == "/containers/create") return http::Json(create_status, create_body);
    if (request.path.ends_with("/start")) {
      process_ = ::fork();
      if (process_ == 0) {
        for (;;) ::pause();
      }
    }
    if (request.path.ends_with("/logs")) return http::Text(404, "");
    if (request.path.ends_with("/json")) {
      return http::Json(200, fmt::format(R"({{"State": {{"Running": {}, "Pid": {},
          "ExitCode": 137}}}})",
                                         process_ > 0 && !killed_, process_));
    }
    return http::Response{.status = 204};
  }
  template <typename T>
  T Run(asio::awaitable<T> work) {
    std::optional<T> result;
    asio::co_spawn(loop_, std::move(work), [&](std::exception_ptr escaped, T value) {
      if (escaped) std::rethrow_exception(escaped);
      result.emplace(std::move(value));
    });
    loop_.restart();
    while (!result) loop_.run_one();
    return *std::move(result);
  }
  asio::awaitable<bool> Finish(sandbox::Sandbox* container) {
    if (container != nullptr) co_await container->Destroy();
    co_await fake_.Close();
    co_return true;
  }
  auto Build() { return Run(BuildContainer(loop_.get_executor(), pool_, engine_, plan_)); }

  int create_status = 201;
  std::string create_body = R"({"Id": "c1"})";
  storage::TestDirectory home_;
  asio::io_context loop_{1};
  Pool pool_{1};
  FakeEngine fake_{loop_, home_ / "socket"};
  Engine engine_{loop_.get_executor(), home_ / "socket"};
  ContainerPlan plan_;
  pid_t process_ = 0;
  bool killed_ = false;
};

TEST_F(ContainerTest, LivesAndEndsAsWallsDo) {
  if (::geteuid() != 0) GTEST_SKIP() << "entering namespaces needs root";
  auto built = Build();
  ASSERT_TRUE(built) << built.error().ToString();
  sandbox::Sandbox& container = **built;
  EXPECT_TRUE(container.TakeListener());
  EXPECT_EQ(container.init_pid(), process_);
  EXPECT_FALSE(container.cgroup().Pids().empty());
  // The starter waits at the FIFO until its program may start.
  std::thread starter([&] { static_cast<void>(Open(plan_.home + "/run/start", O_RDONLY)); });
  EXPECT_EQ(Run(container.StartFunction({}))->outside, process_);
  starter.join();
  EXPECT_TRUE(container.pauses());
  EXPECT_TRUE(Run(container.Pause()) && Run(container.Unpause()));
  int status = 0;
  container.OnExit([&](int, int how) { status = how; });
  killed_ = true;
  ::kill(process_, SIGKILL);
  ::waitpid(process_, nullptr, 0);
  loop_.restart();
  while (status == 0) loop_.run_one();
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  process_ = 0;
  Run(Finish(&container));
  EXPECT_THAT(fake_.asked, testing::Contains("DELETE /containers/c1?force=1&v=1"));
}

TEST_F(ContainerTest, SaysHowToGetAnImage) {
  create_status = 404;
  create_body = R"({"message": "No such image: app"})";
  const auto built = Build();
  EXPECT_EQ(built.error().code(), Code::kNotFound);
  EXPECT_THAT(built.error().ToString(), HasSubstr("docker pull app"));
  Run(Finish(nullptr));
}

}  // namespace
}  // namespace godwit::docker
