#pragma once

// For tests: an etcd of their own, on an own loopback address and in an own directory.
//
// The address is made from this process' id, so that no two tests meet. It ends with its object,
// or with the thread that started it. Threads: one. Failure: exceptions, which fail the test; so
// does an etcd that is not installed.
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "http/client.h"
#include "storage/test_directory.h"

namespace godwit::sites {

using std::string_literals::operator""s;

class EtcdServer {
 public:
  EtcdServer() { Start(); }
  // It shows the certificate, and takes only who shows one that is signed as it demands.
  explicit EtcdServer(const http::TlsOptions& tls) {
    storage::WriteFile(directory_ / "crt", tls.certificate);
    storage::WriteFile(directory_ / "key", tls.key);
    storage::WriteFile(directory_ / "ca", tls.authorities);
    http_.tls = http::TlsContext::Make(tls).value();
    Start();
  }
  ~EtcdServer() { Kill(); }
  EtcdServer(const EtcdServer&) = delete;
  EtcdServer& operator=(const EtcdServer&) = delete;

  std::string authority() const { return fmt::format("{}:{}", Host(), port_); }
  std::string endpoint() const { return (http_.tls ? "https://" : "http://") + authority(); }

  // On the same directory as before.
  void Start() {
    const std::string peer = fmt::format("http://{}:{}", Host(), port_ + 1);
    std::vector<std::string> words = {"etcd",
                                      "--name",
                                      "test",
                                      "--logger",
                                      "zap",
                                      "--log-outputs",
                                      directory_ / "log",
                                      "--data-dir",
                                      directory_ / "data",
                                      "--listen-client-urls",
                                      endpoint(),
                                      "--advertise-client-urls",
                                      endpoint(),
                                      "--listen-peer-urls",
                                      peer,
                                      "--initial-advertise-peer-urls",
                                      peer,
                                      "--initial-cluster",
                                      "test=" + peer};
    if (http_.tls) {
      for (const auto& word :
           {"--client-cert-auth"s, "--cert-file"s, directory_ / "crt", "--key-file"s,
            directory_ / "key", "--trusted-ca-file"s, directory_ / "ca"}) {
        words.push_back(word);
      }
    }
    std::vector<char*> arguments;
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error("cannot fork");
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent) ::_exit(1);
      const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
      for (int fd = 0; fd <= 2; ++fd) ::dup2(nothing, fd);
      ::execvp(arguments[0], arguments.data());
      ::_exit(127);
    }
    WaitUntilHealthy();
  }
  void Kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  // It neither answers nor refuses; its connections stay.
  void Pause() { ::kill(pid_, SIGSTOP); }
  void Continue() { ::kill(pid_, SIGCONT); }

  // One request, blocking, of which etcd must approve.
  std::string Ask(std::string path, std::string body) const {
    http::Request request{.method = "POST", .target = std::move(path), .body = std::move(body)};
    const auto response = http::FetchNow(endpoint(), request, std::chrono::seconds(20), http_);
    if (!response) throw std::runtime_error(response.error().ToString());
    if (response->status != 200) throw std::runtime_error(response->body);
    return response->body;
  }

 private:
  static std::string Host() {
    const auto id = static_cast<unsigned>(::getpid());
    return fmt::format("127.{}.{}.{}", 64 + ((id >> 15) & 0x7f), (id >> 7) & 0xff, 1 + (id & 0x7f));
  }
  void WaitUntilHealthy() {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (std::chrono::steady_clock::now() < limit) {
      const auto health =
          http::FetchNow(endpoint(), {.target = "/health"}, std::chrono::seconds(5), http_);
      if (health && health->body.contains("true")) return;
      int status = 0;
      if (::waitpid(pid_, &status, WNOHANG) == pid_) {
        pid_ = -1;
        throw std::runtime_error(WIFEXITED(status) && WEXITSTATUS(status) == 127
                                     ? "cannot run etcd (scripts/setup installs it)"
                                     : "etcd has ended: " + storage::ReadFile(directory_ / "log"));
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    throw std::runtime_error("etcd does not become healthy");
  }

  storage::TestDirectory directory_;
  int port_ = 23790;
  http::ClientOptions http_;
  pid_t pid_ = -1;
};

}  // namespace godwit::sites
