// A suspension as the Runtime API's connections live through it.
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <optional>

#include "aws/fake_runtime.h"
#include "aws/runtime_api.h"

namespace godwit::aws {
namespace {

namespace asio = boost::asio;
using functions::SavedSession;
using testing::ElementsAre;
using testing::SizeIs;

class RuntimeHoldTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "TCP repair needs CAP_NET_ADMIN";
    Listening listening = Listen(loop_.get_executor());
    port_ = listening.port;
    endpoint_ = MakeRuntimeEndpoints(loop_.get_executor(), Log("test", LogLevel::kOff))(
        calls_, std::move(listening.socket));
  }

  template <typename Talk>
  void Converse(Talk talk) {
    asio::co_spawn(
        loop_,
        [this, &talk]() -> asio::awaitable<void> {
          co_await talk();
          co_await endpoint_->Close();
        },
        [](std::exception_ptr escaped) {
          if (escaped) std::rethrow_exception(escaped);
        });
    loop_.run();
  }
  RawPeer Peer() { return RawPeer(loop_.get_executor(), port_); }
  asio::awaitable<void> Until(auto holds) {
    while (!holds()) co_await asio::post(loop_, asio::use_awaitable);
  }
  // Acknowledgements come within their own good time, and Hold() waits for none.
  asio::awaitable<void> Hold() {
    co_await Until([this] { return endpoint_->Hold().has_value(); });
  }
  // A peer whose `GET .../next` is read and not answered.
  asio::awaitable<RawPeer> PeerThatWaits() {
    RawPeer peer = Peer();
    co_await peer.Say(kAskNext);
    co_await Until([this] { return calls_.waiting == 1; });
    co_return peer;
  }
  // Takes everything down and builds it up again, as a suspension and a resume do.
  asio::awaitable<void> GoThroughASuspension() {
    co_await Hold();
    const auto saved = endpoint_->Save();
    if (!saved) throw std::runtime_error(saved.error().ToString());
    co_await endpoint_->Drop();
    for (const SavedSession& session : *saved) {
      Fd rebuilt(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      const auto built = checkpoint::RebuildTcp(rebuilt.get(), session.tcp);
      if (!built) throw std::runtime_error(built.error().ToString());
      EXPECT_TRUE(endpoint_->Adopt(session, std::move(rebuilt)));
    }
  }

  asio::io_context loop_{1};
  FakeCalls calls_{loop_.get_executor()};
  uint16_t port_ = 0;
  std::unique_ptr<functions::RuntimeEndpoint> endpoint_;
};

TEST_F(RuntimeHoldTest, AnEventReachesTheOneWhoAskedBeforeTheSuspension) {
  Converse([this]() -> asio::awaitable<void> {
    RawPeer peer = co_await PeerThatWaits();
    for (int round = 0; round < 3; ++round) {
      co_await GoThroughASuspension();
      EXPECT_EQ(calls_.waiting, 1u) << "it asks the instance again";
      const std::string id = "id-" + std::to_string(round);
      calls_.Give(id, "event");
      EXPECT_EQ((co_await peer.Hear()).body, "event");
      co_await peer.Say(Post("invocation/" + id + "/response", "r") + kAskNext);
      EXPECT_EQ((co_await peer.Hear()).status, 202);
      co_await Until([this] { return calls_.waiting == 1; });
    }
  });
  EXPECT_THAT(calls_.log, ElementsAre("respond id-0 r", "respond id-1 r", "respond id-2 r"));
}

TEST_F(RuntimeHoldTest, ACallGoesOnAfterASuspensionInItsMiddle) {
  Converse([this]() -> asio::awaitable<void> {
    RawPeer other = Peer();
    EXPECT_EQ((co_await other.Ask("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")).status, 200);
    RawPeer peer = co_await PeerThatWaits();
    calls_.Give("id-1", "e");
    co_await peer.Hear();
    co_await GoThroughASuspension();
    EXPECT_EQ((co_await peer.Ask(Post("invocation/id-1/response", "late"))).status, 202);
    EXPECT_EQ((co_await other.Ask("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")).status, 200);
  });
  EXPECT_THAT(calls_.log, ElementsAre("respond id-1 late"));
}

constexpr const char* kAskFor = "GET /godwit/v1/invocations/id-1/callbacks/";

TEST_F(RuntimeHoldTest, ACallbackReachesTheOneWhoAskedBeforeTheSuspension) {
  Converse([this]() -> asio::awaitable<void> {
    RawPeer runtime = co_await PeerThatWaits();
    calls_.Give("id-1", "e");
    co_await runtime.Hear();
    RawPeer waits = Peer();
    for (int number = 0; number < 3; ++number) {
      co_await waits.Say(kAskFor + std::to_string(number) + " HTTP/1.1\r\nHost: x\r\n\r\n");
      co_await Until([this] { return calls_.waiting_for_callback == 1; });
      co_await Hold();
      const auto saved = endpoint_->Save();
      EXPECT_TRUE(saved.has_value());
      EXPECT_EQ(saved->at(1).awaiting, SavedSession::Awaiting::kCallback);
      EXPECT_EQ(saved->at(1).callback.call, "id-1");
      EXPECT_EQ(saved->at(1).callback.number, static_cast<uint32_t>(number));
      endpoint_->Release();
      co_await GoThroughASuspension();
      calls_.GiveCallback("\"number " + std::to_string(number) + "\"");
      const RawAnswer answer = co_await waits.Hear();
      EXPECT_EQ(answer.status, 200);
      EXPECT_EQ(answer.body, "\"number " + std::to_string(number) + "\"");
    }
    EXPECT_EQ((co_await runtime.Ask(Post("invocation/id-1/response", "r"))).status, 202);
  });
}

TEST_F(RuntimeHoldTest, SaveTellsWhereEachConnectionIs) {
  Converse([this]() -> asio::awaitable<void> {
    RawPeer idle = Peer();
    EXPECT_EQ((co_await idle.Ask("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")).status, 200);
    RawPeer waits = co_await PeerThatWaits();
    co_await Hold();
    const auto saved = endpoint_->Save();
    EXPECT_TRUE(saved.has_value());
    if (!saved) co_return;
    EXPECT_THAT(*saved, SizeIs(2));
    EXPECT_EQ(saved->at(0).awaiting, SavedSession::Awaiting::kRequest);
    EXPECT_EQ(saved->at(1).awaiting, SavedSession::Awaiting::kNext);
    EXPECT_EQ(saved->at(1).tcp.local_port, port_);
    EXPECT_EQ(saved->at(1).tcp.peer_port, waits.socket().local_endpoint().port());
    endpoint_->Release();
  });
}

TEST_F(RuntimeHoldTest, AfterReleaseNothingHasHappened) {
  Converse([this]() -> asio::awaitable<void> {
    RawPeer peer = co_await PeerThatWaits();
    co_await Hold();
    EXPECT_TRUE(endpoint_->Save());
    endpoint_->Release();
    calls_.Give("id-1", "e");
    EXPECT_EQ((co_await peer.Hear()).body, "e");
    co_await Hold();
    co_await peer.Say(Post("invocation/id-1/response", "said while nobody listened"));
    endpoint_->Release();
    EXPECT_EQ((co_await peer.Hear()).status, 202);
  });
  EXPECT_THAT(calls_.log, ElementsAre("respond id-1 said while nobody listened"));
}

TEST_F(RuntimeHoldTest, WhatIsHalfWayIsNotHeld) {
  Converse([this]() -> asio::awaitable<void> {
    RawPeer peer = Peer();
    co_await peer.Ask("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n");
    co_await Hold();
    endpoint_->Release();
    co_await peer.Say("GET /ping HT");
    // Unread in the kernel or half read by the session: busy either way, however often asked.
    for (int i = 0; i < 100; ++i) {
      const auto held = endpoint_->Hold();
      EXPECT_FALSE(held.has_value());
      if (!held) EXPECT_EQ(held.error().code(), Code::kBusy);
      co_await asio::post(loop_, asio::use_awaitable);
    }
    EXPECT_EQ((co_await peer.Ask("TP/1.1\r\nHost: x\r\n\r\n")).status, 200);
    co_await Hold();
    endpoint_->Release();
  });
}

TEST_F(RuntimeHoldTest, WhatWasSaidAheadIsNotLost) {
  Converse([this]() -> asio::awaitable<void> {
    RawPeer peer = Peer();
    co_await peer.Say(std::string(kAskNext) + "GET /ping HTTP/1.1\r\nHost: x\r\n\r\n");
    co_await Until([this] { return calls_.waiting == 1; });
    EXPECT_EQ(endpoint_->Hold().error().code(), Code::kBusy);
    calls_.Give("id-1", "e");
    EXPECT_EQ((co_await peer.Hear()).body, "e");
    EXPECT_EQ((co_await peer.Hear()).body, "pong");
  });
}

TEST_F(RuntimeHoldTest, SomebodyAtTheDoorIsBusy) {
  Converse([this]() -> asio::awaitable<void> {
    RawPeer peer = Peer();  // connected, as far as the kernel goes
    EXPECT_EQ(endpoint_->Hold().error().code(), Code::kBusy);
    EXPECT_EQ((co_await peer.Ask("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")).status, 200);
    co_await Hold();
    RawPeer late = Peer();
    EXPECT_EQ(endpoint_->Save().error().code(), Code::kBusy);
    endpoint_->Release();
    EXPECT_EQ((co_await late.Ask("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")).status, 200);
  });
}

TEST_F(RuntimeHoldTest, SaveNeedsHold) {
  Converse([this]() -> asio::awaitable<void> {
    RawPeer peer = co_await PeerThatWaits();
    EXPECT_EQ(endpoint_->Save().error().code(), Code::kBusy);
    endpoint_->Release();
  });
}

TEST_F(RuntimeHoldTest, OneWhoLeftDoesNotStandInTheWayForLong) {
  Converse([this]() -> asio::awaitable<void> {
    {
      RawPeer peer = co_await PeerThatWaits();
    }
    co_await Hold();
    const auto saved = endpoint_->Save();
    EXPECT_TRUE(saved.has_value() && saved->empty());
    EXPECT_EQ(calls_.waiting, 0u);
    endpoint_->Release();
  });
}

TEST_F(RuntimeHoldTest, WithoutConnectionsThereIsNothingToHold) {
  Converse([this]() -> asio::awaitable<void> {
    EXPECT_TRUE(endpoint_->Hold());
    const auto saved = endpoint_->Save();
    EXPECT_TRUE(saved.has_value() && saved->empty());
    co_await endpoint_->Drop();
    RawPeer peer = Peer();
    EXPECT_EQ((co_await peer.Ask("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")).status, 200);
  });
}

}  // namespace
}  // namespace godwit::aws
