#include "admin/admin_api.h"

#include <gmock/gmock.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json.hpp>

#include "base/bytes.h"
#include "functions/fake_platform.h"
#include "functions/image_store.h"

namespace godwit::admin {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr auto kRequest = "6f1c2a90-0d3e-4b5a-9b1e-2f60c1d7a411";
const WallTime kNow{1'795'310'340'123ms};  // 2026-11-22T01:19:00.123Z

class AdminApiTest : public testing::Test {
 protected:
  http::Response Ask(const std::string& method, const std::string& target,
                     const std::string& body = "", const std::vector<http::Header>& headers = {}) {
    http::Request request;
    request.body = body;
    request.headers = headers;
    request.method = method;
    request.target = target;
    request.path = target.substr(0, target.find('?'));
    if (target.contains('?')) request.query = target.substr(target.find('?') + 1);
    EXPECT_TRUE(AdminApi::Serves(request));
    http::Response response;
    asio::io_context loop(1);
    asio::co_spawn(loop, api_.Handle(request),
                   [&](std::exception_ptr escaped, http::Response answer) {
                     if (escaped) std::rethrow_exception(escaped);
                     response = std::move(answer);
                   });
    loop.run();
    return response;
  }
  http::Response Get(const std::string& target) { return Ask("GET", target); }

  static functions::InstanceView View(const std::string& id, functions::State state) {
    functions::InstanceView view;
    view.id = {id};
    view.function = "reminder";
    view.state = state;
    view.since = kNow;
    return view;
  }

  functions::FakePlatform platform_;
  NodeInfo info_ = {
      "0.1.0", "/data", {"127.0.0.1:9000"}, 77, 65s, 21'000'000, {{"CRIU", true, "4.1.1", "much"}}};
  AdminApi api_{platform_, [this] { return info_; }, Log("admin", LogLevel::kOff)};
};

TEST_F(AdminApiTest, Health) {
  EXPECT_EQ(Get("/godwit/v1/health").body, R"({"status":"ok"})");
  EXPECT_EQ(Get("/godwit/v1/health/").status, 200) << "a slash at the end does no harm";
}

TEST_F(AdminApiTest, InstancesHaveEveryFieldThatPsPromises) {
  EXPECT_EQ(Get("/godwit/v1/instances").body, "[]");
  auto view = View("i-3f9a0c51b2", functions::State::kSuspended);
  view.request = RequestId{kRequest};
  view.image_bytes = 2'400'000;
  view.wakes_at = kNow + 18s;
  view.reason = "sleeps";
  platform_.instances = {view, View("i-77aa0c51b2", functions::State::kReady)};
  platform_.instances[1].pid = 4711;
  platform_.instances[1].memory_bytes = 13'700'000;
  const auto list = json::parse(Get("/godwit/v1/instances").body).as_array();
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(json::serialize(list[0]),
            R"({"instance":"i-3f9a0c51b2","function":"reminder","state":"SUSPENDED",)"
            R"("request_id":"6f1c2a90-0d3e-4b5a-9b1e-2f60c1d7a411","memory_bytes":0,)"
            R"("image_bytes":2400000,)"
            R"("wakes_at":"2026-11-22T01:19:18.123Z","reason":"sleeps",)"
            R"("since":"2026-11-22T01:19:00.123Z","pid":0,"address":null})");
  EXPECT_TRUE(list[1].at("request_id").is_null());
  EXPECT_TRUE(list[1].at("wakes_at").is_null());
  EXPECT_EQ(list[1].at("pid"), 4711);
}

TEST_F(AdminApiTest, OneInstanceHasItsHistoryAlsoAfterItsEnd) {
  const InstanceId id{"i-3f9a0c51b2"};
  using enum functions::State;
  platform_.instances = {View(id.text, kReady)};
  platform_.histories[id.text] = {{id, kStarting, kReady, kNow, ""}};
  auto body = json::parse(Get("/godwit/v1/instances/" + id.text).body);
  EXPECT_EQ(body.at("state"), "READY");
  EXPECT_EQ(json::serialize(body.at("history")),
            R"([{"at":"2026-11-22T01:19:00.123Z","from":"STARTING","to":"READY","reason":""}])");
  platform_.instances.clear();
  platform_.histories[id.text].push_back({id, kReady, kStopped, kNow + 1s, "removed"});
  body = json::parse(Get("/godwit/v1/instances/" + id.text).body);
  EXPECT_EQ(body.at("state"), "STOPPED");
  EXPECT_EQ(body.at("reason"), "removed");
  EXPECT_EQ(Get("/godwit/v1/instances/i-0000000000").status, 404);
}

TEST_F(AdminApiTest, MovesAreReported) {
  functions::MoveReport report;
  report.instance = View("i-3f9a0c51b2", functions::State::kSuspended);
  report.took = 41'300us;
  report.memory_before = 13'700'000;
  platform_.moved = report;
  const auto response = Ask("POST", "/godwit/v1/instances/i-3f9a0c51b2/suspend");
  EXPECT_EQ(response.status, 200);
  const auto body = json::parse(response.body);
  EXPECT_EQ(body.at("took_us"), 41300);
  EXPECT_EQ(body.at("memory_before"), 13'700'000);
  EXPECT_EQ(body.at("memory_after"), 0);
  EXPECT_EQ(body.at("instance").at("state"), "SUSPENDED");
  EXPECT_EQ(Ask("POST", "/godwit/v1/instances/i-3f9a0c51b2/resume").status, 200);
  EXPECT_THAT(platform_.did, ElementsAre("suspend i-3f9a0c51b2", "resume i-3f9a0c51b2"));
  EXPECT_EQ(Ask("POST", "/godwit/v1/instances/i-3f9a0c51b2/suspend?tier=frozen").status, 200);
  EXPECT_EQ(Ask("POST", "/godwit/v1/instances/i-3f9a0c51b2/suspend?tier=moon").status, 400);
}

TEST_F(AdminApiTest, WhyItIsWhereItIs) {
  platform_.instances = {View("i-3f9a0c51b2", functions::State::kSpilled)};
  platform_.why = {{"belongs", "spilled"}, {"why", "memory is scarce"}};
  const auto body = json::parse(Get("/godwit/v1/instances/i-3f9a0c51b2").body);
  EXPECT_EQ(body.at("why").at("why"), "memory is scarce");
}

TEST_F(AdminApiTest, AnErrorHasCodeMessageAndStatus) {
  platform_.moved =
      Result<functions::MoveReport>(Fail(Code::kUnsupported, "fd 5 is an inotify watch"))
          .Within("cannot suspend 'i-3f9a0c51b2'");
  const auto response = Ask("POST", "/godwit/v1/instances/i-3f9a0c51b2/suspend");
  EXPECT_EQ(response.status, 501);
  EXPECT_EQ(response.Get("Content-Type"), "application/json");
  EXPECT_EQ(response.body, R"({"error":{"code":"unsupported","message":)"
                           R"("cannot suspend 'i-3f9a0c51b2': fd 5 is an inotify watch"}})");
}

TEST_F(AdminApiTest, CallsAndTheirResults) {
  auto& call = platform_.records[kRequest];
  call.id = {kRequest};
  call.function = "reminder";
  call.status = functions::CallStatus::kRunning;
  call.accepted = kNow;
  call.instance = InstanceId{"i-3f9a0c51b2"};
  const std::string target = std::string("/godwit/v1/invocations/") + kRequest;
  EXPECT_EQ(Get(target).body,
            R"({"id":"6f1c2a90-0d3e-4b5a-9b1e-2f60c1d7a411","function":"reminder","kind":"Event",)"
            R"("status":"RUNNING","attempt":1,"instance":"i-3f9a0c51b2","node":null,)"
            R"("function_error":null,)"
            R"("accepted":"2026-11-22T01:19:00.123Z","finished":null,"result":null})");
  EXPECT_EQ(Get(target + "/result").status, 409);

  call.status = functions::CallStatus::kSucceeded;
  call.finished = kNow + 20s;
  call.payload = R"({"woken": 1.0})";
  EXPECT_THAT(Get(target).body, HasSubstr(R"("result":{"woken": 1.0}})"))
      << "as the function wrote it";
  EXPECT_EQ(Get(target + "/result").body, R"({"woken": 1.0})");
  EXPECT_EQ(Get(target + "/result").Get("X-Amz-Function-Error"), "");

  call.status = functions::CallStatus::kFailed;
  call.function_error = "Unhandled";
  call.payload = "not \"json\"";
  EXPECT_THAT(Get(target).body, HasSubstr(R"("result":"not \"json\""})"));
  EXPECT_EQ(Get(target + "/result").Get("X-Amz-Function-Error"), "Unhandled");
}

TEST_F(AdminApiTest, CallbacksAreHandedOn) {
  platform_.records[kRequest] = {};
  const std::string target = std::string("/godwit/v1/invocations/") + kRequest + "/callback";
  const auto accepted = Ask("POST", target, R"({"yes": 1.0})", {{"idempotency-key", "a key"}});
  EXPECT_EQ(accepted.status, 202);
  EXPECT_EQ(accepted.body, R"({"request_id":"6f1c2a90-0d3e-4b5a-9b1e-2f60c1d7a411","number":0})");
  ASSERT_EQ(platform_.callbacks.size(), 1u);
  EXPECT_EQ(platform_.callbacks[0].call.text, kRequest);
  EXPECT_EQ(platform_.callbacks[0].payload, R"({"yes": 1.0})") << "as it came";
  EXPECT_EQ(platform_.callbacks[0].key, "a key");

  for (const char* body : {"", "{", "yes", "1 2"}) {
    const auto refused = Ask("POST", target, body);
    EXPECT_EQ(refused.status, 400) << body;
    EXPECT_THAT(refused.body, HasSubstr(R"({"error":{"code":"invalid","message":"the payload is )"
                                        R"(not JSON: )"));
  }
  const std::string most = '"' + std::string(functions::kMaxCallback - 2, 'x') + '"';
  EXPECT_EQ(Ask("POST", target, most).status, 202);
  EXPECT_EQ(Ask("POST", target, most + " ").status, 413);
  EXPECT_GT(AdminApi::BodyLimit("POST", target), most.size() + 1) << "so that it can be told";
  EXPECT_LT(AdminApi::BodyLimit("POST", "/godwit/v1/instances/i-1/resume"), 100'000u);
  const std::string key(functions::kMaxCallbackKey, '~');
  EXPECT_EQ(Ask("POST", target, "1", {{"Idempotency-Key", key}}).status, 202);
  EXPECT_EQ(Ask("POST", target, "1", {{"Idempotency-Key", key + "~"}}).status, 400);
  EXPECT_EQ(Ask("POST", target, "1", {{"Idempotency-Key", "a\tb"}}).status, 400);
  EXPECT_EQ(Ask("GET", target).Get("Allow"), "POST");
  EXPECT_EQ(Ask("POST", "/godwit/v1/invocations/1/callback", "1").status, 400);
  EXPECT_EQ(Ask("POST", "/godwit/v1/invocations/00000000-0000-4000-8000-000000000000/callback", "1")
                .status,
            404);
}

TEST_F(AdminApiTest, LogsTrialAndCode) {
  platform_.logs["f"] = "hello\n";
  EXPECT_EQ(Get("/godwit/v1/functions/f/logs").body, "hello\n");
  EXPECT_THAT(Get("/godwit/v1/functions/f/logs").Get("Content-Type"), HasSubstr("text/plain"));
  Get("/godwit/v1/functions/f/logs?bytes=100");
  Get("/godwit/v1/functions/f/logs?bytes=99999999999");
  EXPECT_THAT(platform_.did,
              ElementsAre("logs f 65536", "logs f 65536", "logs f 100", "logs f 4194304"));
  EXPECT_EQ(Get("/godwit/v1/functions/f/logs").Get("Godwit-Log-Next"), "6");
  EXPECT_EQ(Get("/godwit/v1/functions/f/logs").Get("Godwit-Log-Skipped"), "");
  platform_.logs_skipped = 40;
  EXPECT_EQ(Get("/godwit/v1/functions/f/logs?after=2").body, "llo\n");
  EXPECT_EQ(Get("/godwit/v1/functions/f/logs?after=2").Get("Godwit-Log-Skipped"), "40");
  EXPECT_EQ(platform_.did.back(), "logs f 65536 after 2");
  EXPECT_EQ(Get("/godwit/v1/functions/f/logs?after=x").status, 400);
  const auto refused = Get("/godwit/v1/functions/f/logs?bytes=-1");
  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.body, HasSubstr("'bytes' is '-1', which is no number"));

  functions::TrialReport& trial = platform_.trials["f"];
  trial.function = "f";
  trial.instance = {"i-3f9a0c51b2"};
  trial.waited = true;
  trial.tiers.push_back({.tier = functions::Tier::kDisk,
                         .result = functions::TierTrial::Result::kRefused,
                         .state = functions::State::kBlocked,
                         .reason = "fd 5",
                         .took = {},
                         .back = {},
                         .memory_before = 0,
                         .memory_after = 0,
                         .image_bytes = 0});
  trial.obstacles.push_back({"mptcp", "fd 5 is an MPTCP socket", ""});
  EXPECT_EQ(
      Ask("POST", "/godwit/v1/functions/f/trial?for_ms=1500", "[1]").body,
      R"({"function":"f","instance":"i-3f9a0c51b2","checkpoints":false,"waited":true,"tiers":[)"
      R"({"tier":"SUSPENDED","result":"refused","state":"BLOCKED","reason":"fd 5","took_us":0,)"
      R"("back_us":0,"memory_before":0,"memory_after":0,"image_bytes":0}],"obstacles":[)"
      R"({"kind":"mptcp","what":"fd 5 is an MPTCP socket","fix":null}],"template":null,)"
      R"("call":{"id":null,"status":"RUNNING","function_error":null,"took_us":0,"result":null}})");
  EXPECT_EQ(platform_.tried.back().event, "[1]");
  EXPECT_EQ(platform_.tried.back().limit, 1500ms);
  Ask("POST", "/godwit/v1/functions/f/trial");
  EXPECT_EQ(platform_.tried.back().event, "{}");
  EXPECT_EQ(platform_.tried.back().limit, functions::TrialRequest::kUsual);
  for (const char* span : {"0", "900001", "soon"})
    EXPECT_EQ(Ask("POST", std::string("/godwit/v1/functions/f/trial?for_ms=") + span).status, 400);
  EXPECT_EQ(Ask("POST", "/godwit/v1/functions/none/trial").status, 404);
  const std::string most = '"' + std::string(functions::kMaxSyncPayload - 2, 'x') + '"';
  EXPECT_EQ(Ask("POST", "/godwit/v1/functions/f/trial", most).status, 200);
  EXPECT_EQ(Ask("POST", "/godwit/v1/functions/f/trial", most + " ").status, 413);
  EXPECT_GT(AdminApi::BodyLimit("POST", "/godwit/v1/functions/f/trial"), most.size() + 1);

  platform_.Add("f g");
  EXPECT_EQ(Get("/godwit/v1/functions/f%20g/code").body, "PK zip of f g");
  EXPECT_EQ(Get("/godwit/v1/functions/f%20g/code").Get("Content-Type"), "application/zip");
  EXPECT_EQ(Get("/godwit/v1/functions/none/code").status, 404);
}

TEST_F(AdminApiTest, TheNodeTellsOfItself) {
  using enum functions::State;
  platform_.instances = {View("i-0000000001", kReady), View("i-0000000002", kSuspended),
                         View("i-0000000003", kSuspended)};
  for (const char* name : {"f", "g"}) platform_.Add(name);
  EXPECT_EQ(Get("/godwit/v1/node").body,
            R"({"version":"0.1.0","data":"/data","endpoints":["127.0.0.1:9000"],"pid":77,)"
            R"("uptime_ms":65000,)"
            R"("rss_bytes":21000000,"features":[{"name":"CRIU","present":true,"detail":"4.1.1",)"
            R"("cost":"much"}],)"
            R"("functions":2,"instances":{"READY":1,"SUSPENDED":2}})");
}

TEST_F(AdminApiTest, WhatIsNotThereAndWhatIsNoName) {
  EXPECT_EQ(Get("/godwit/v1/nonsense").status, 404);
  EXPECT_EQ(Get("/godwit/v2/health").status, 404);
  EXPECT_EQ(Get("/godwit/").status, 404);
  EXPECT_EQ(Get("/godwit/v1//instances").status, 404);
  EXPECT_EQ(Get("/godwit/v1/functions/%zz/logs").status, 404);
  const auto instance = Get("/godwit/v1/instances/..%2Fx");
  EXPECT_EQ(instance.status, 400);
  EXPECT_THAT(instance.body, HasSubstr("'../x' is not the id of an instance (it looks like "
                                       "i-3f9a0c51b2; `godwit ps` lists them)"));
  EXPECT_EQ(Get("/godwit/v1/invocations/1").status, 400);
  const auto method = Ask("DELETE", "/godwit/v1/instances");
  EXPECT_EQ(method.status, 405);
  EXPECT_EQ(method.Get("Allow"), "GET");
  EXPECT_EQ(Get("/godwit/v1/instances/i-3f9a0c51b2/suspend").Get("Allow"), "POST");
}

class FakeUploads : public functions::ImageUploads {
 public:
  Result<std::string> Begin() override { return "upload-1"; }
  asio::awaitable<Result<uint64_t>> Add(std::string upload, uint64_t at,
                                        std::string piece) override {
    did.push_back(fmt::format("{} {} {}", upload, at, piece));
    co_return at + piece.size();
  }
  asio::awaitable<Result<images::Image>> Import(std::string upload) override {
    if (upload != "upload-1") co_return Fail(Code::kNotFound, "there is no upload '{}'", upload);
    co_return images::Image{"sha256:1", {}, 42};
  }
  std::vector<std::string> did;
};

TEST_F(AdminApiTest, AnImageComesInPieces) {
  EXPECT_EQ(Ask("POST", "/godwit/v1/uploads").status, 501) << "this platform takes none";
  FakeUploads uploads;
  platform_.uploads = &uploads;
  EXPECT_EQ(Ask("POST", "/godwit/v1/uploads").body, R"({"upload":"upload-1"})");
  EXPECT_EQ(Ask("PUT", "/godwit/v1/uploads/upload-1?at=7", "abc").body, R"({"bytes":10})");
  EXPECT_THAT(uploads.did, ElementsAre("upload-1 7 abc"));
  EXPECT_EQ(Ask("PUT", "/godwit/v1/uploads/upload-1?at=x", "abc").status, 400);
  EXPECT_EQ(Ask("POST", "/godwit/v1/uploads/upload-1/image").body,
            R"({"image":"sha256:1","bytes":42})");
  EXPECT_EQ(Ask("POST", "/godwit/v1/uploads/upload-2/image").status, 404);
  EXPECT_EQ(AdminApi::BodyLimit("PUT", "/godwit/v1/uploads/upload-1"), size_t{8} << 20);
}

}  // namespace
}  // namespace godwit::admin
