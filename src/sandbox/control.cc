#include "sandbox/control.h"

#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <deque>
#include <optional>

#include "base/gate.h"
#include "base/try.h"

namespace godwit::sandbox {
namespace {

namespace asio = boost::asio;

union Ancillary {
  cmsghdr header;
  char space[CMSG_SPACE(sizeof(int) * kMaxFds) + CMSG_SPACE(sizeof(ucred))];
};

Error ErrorOf(const Event& event) {
  return Error(CodeOfErrno(event.error),
               fmt::format("the sandbox cannot {}: {}", event.step, ErrnoText(event.error)));
}

class Socket : public Control {
 public:
  Socket(asio::any_io_executor executor, Fd socket)
      : socket_(executor, socket.Release()), turn_(executor), answered_(executor), gate_(executor) {
    turn_.expires_at(asio::steady_timer::time_point::max());
    answered_.expires_at(asio::steady_timer::time_point::max());
    static_cast<void>(gate_.Spawn(Listen()));
  }

  asio::awaitable<Result<Answer>> Ready() override { co_return co_await NextAnswer(); }

  asio::awaitable<Result<Answer>> Ask(Request request, std::vector<std::string> strings,
                                      std::vector<int> fds) override {
    while (asking_) co_await turn_.async_wait(asio::as_tuple(asio::use_awaitable));
    asking_ = true;
    request.fd_count = static_cast<uint32_t>(fds.size());
    Result<Answer> answer = SendRequest(request, strings, fds);
    if (answer) answer = co_await NextAnswer();
    asking_ = false;
    turn_.cancel_one();
    co_return answer;
  }

  void OnExit(std::function<void(int, int)> handler) override { on_exit_ = std::move(handler); }
  void OnEnd(std::function<void()> handler) override { on_end_ = std::move(handler); }

  asio::awaitable<void> Close() override {
    on_exit_ = nullptr;
    on_end_ = nullptr;
    co_await gate_.Close();
    socket_.close();
  }

 private:
  Result<Answer> SendRequest(const Request& request, const std::vector<std::string>& strings,
                             const std::vector<int>& fds) {
    if (ended_) return Fail(Code::kClosing, "the sandbox has ended");
    std::string body(reinterpret_cast<const char*>(&request), sizeof request);
    for (const auto& text : strings) body.append(text.c_str(), text.size() + 1);
    if (body.size() >= kMaxMessage || fds.size() > kMaxFds) {
      return Fail(Code::kTooLarge,
                  "{} bytes are too much for a sandbox's command (make the environment smaller)",
                  body.size());
    }
    iovec part = {body.data(), body.size()};
    Ancillary ancillary = {};
    msghdr header = {};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    if (!fds.empty()) {
      header.msg_control = ancillary.space;
      header.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
      cmsghdr* extra = CMSG_FIRSTHDR(&header);
      extra->cmsg_level = SOL_SOCKET;
      extra->cmsg_type = SCM_RIGHTS;
      extra->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
      std::memcpy(CMSG_DATA(extra), fds.data(), sizeof(int) * fds.size());
    }
    if (::sendmsg(socket_.native_handle(), &header, MSG_NOSIGNAL) < 0)
      return FailErrno(errno, "cannot command the sandbox");
    return Answer{};
  }

  asio::awaitable<Result<Answer>> NextAnswer() {
    while (answers_.empty() && !ended_)
      co_await answered_.async_wait(asio::as_tuple(asio::use_awaitable));
    if (answers_.empty()) co_return Fail(Code::kClosing, "the sandbox has ended");
    Answer answer = std::move(answers_.front());
    answers_.pop_front();
    if (answer.event.what == What::kFailed) co_return std::unexpected(ErrorOf(answer.event));
    co_return answer;
  }

  asio::awaitable<void> Listen() {
    while (true) {
      const auto [error] = co_await socket_.async_wait(asio::posix::stream_descriptor::wait_read,
                                                       asio::as_tuple(asio::use_awaitable));
      if (error) break;
      bool open = true;
      while (open && Receive(open)) {
      }
      if (!open) break;
    }
    ended_ = true;
    answered_.cancel();
    if (const auto handler = on_end_) handler();  // a copy: it may lead to Close()
  }

  // False when nothing is there to read; `open` turns false at the end.
  bool Receive(bool& open) {
    Answer answer;
    iovec part = {&answer.event, sizeof answer.event};
    Ancillary ancillary = {};
    msghdr header = {};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = ancillary.space;
    header.msg_controllen = sizeof ancillary.space;
    const ssize_t length =
        ::recvmsg(socket_.native_handle(), &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (length < 0) {
      open = errno == EAGAIN || errno == EINTR;
      return errno == EINTR;
    }
    if (length != static_cast<ssize_t>(sizeof answer.event)) {
      open = false;
      return false;
    }
    for (cmsghdr* extra = CMSG_FIRSTHDR(&header); extra != nullptr;
         extra = CMSG_NXTHDR(&header, extra)) {
      if (extra->cmsg_type == SCM_RIGHTS) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(extra), sizeof fd);
        answer.fd = Fd(fd);
      } else if (extra->cmsg_type == SCM_CREDENTIALS) {
        ucred credentials = {};
        std::memcpy(&credentials, CMSG_DATA(extra), sizeof credentials);
        answer.outside = credentials.pid;
      }
    }
    answer.event.step[sizeof answer.event.step - 1] = '\0';
    if (answer.event.what == What::kExited) {
      if (const auto handler = on_exit_) handler(answer.event.pid, answer.event.status);
    } else {
      answers_.push_back(std::move(answer));
      answered_.cancel();
    }
    return true;
  }

  asio::posix::stream_descriptor socket_;
  asio::steady_timer turn_;      // cancelled when the next may ask
  asio::steady_timer answered_;  // cancelled when an answer came, or the end
  std::deque<Answer> answers_;
  std::function<void(int, int)> on_exit_;
  std::function<void()> on_end_;
  bool asking_ = false;
  bool ended_ = false;
  Gate gate_;
};

}  // namespace

std::unique_ptr<Control> OpenControl(asio::any_io_executor executor, Fd socket) {
  return std::make_unique<Socket>(std::move(executor), std::move(socket));
}

}  // namespace godwit::sandbox
