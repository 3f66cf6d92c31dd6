#include "cli/verbs.h"

#include <gmock/gmock.h>

#include "base/bytes.h"
#include "cli/human.h"
#include "cli/test_shell.h"

namespace godwit::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const WallTime kNow = *ParseIso("2026-11-22T01:00:00Z");

http::Response Lambda(int status, std::string type, std::string message) {
  auto response = http::Json(status, R"({"Type":"User","Message":")" + message + "\"}");
  response.headers.push_back({"x-amzn-ErrorType", std::move(type)});
  return response;
}

TEST(ListTest, ATableOfAllPages) {
  TestShell shell;
  shell.now = kNow;
  shell.Answers(
      "GET /2015-03-31/functions/", 200,
      R"({"Functions":[{"FunctionName":"greeter","Runtime":"python3","Handler":"greeter.handler",
                "MemorySize":128,"Timeout":3,"CodeSize":612,
                "LastModified":"2026-11-22T00:57:00.000+0000"}],
                "NextMarker":"a b"})");
  shell.Answers(
      "GET /2015-03-31/functions/?Marker=a%20b", 200,
      R"({"Functions":[{"FunctionName":"native","Runtime":"provided","Handler":"bootstrap",
                "MemorySize":1024,"Timeout":900,"CodeSize":1250000,
                "LastModified":"2026-11-20T01:00:00Z"}]})");
  EXPECT_EQ(shell.Type({"list"}).out,
            "FUNCTION  RUNTIME   HANDLER           MEMORY  TIMEOUT     CODE  MODIFIED\n"
            "greeter   python3   greeter.handler   128 MB      3 s    612 B  3 min ago\n"
            "native    provided  bootstrap        1024 MB    900 s  1.25 MB  2 d ago\n");
  EXPECT_THAT(shell.Type({"list", "--json"}).out, HasSubstr(R"([{"FunctionName":"greeter",)"));
}

TEST(ListTest, NoneIsSaidToAPersonOnly) {
  TestShell shell;
  shell.Answers("GET /2015-03-31/functions/", 200, R"({"Functions":[]})");
  EXPECT_EQ(shell.Type({"list"}).out, "");
  EXPECT_EQ(shell.Type({"list"}).err, "");
  shell.style = {.terminal = true, .progress = true};
  EXPECT_EQ(shell.Type({"list"}).err, "no functions yet (deploy one: godwit deploy DIR)\n");
  EXPECT_EQ(shell.Type({"list", "--json"}).out, "[]\n");
}

TEST(RmTest, RemovesEachAndStopsAtTheFirstThatCannotBe) {
  TestShell shell;
  shell.Answers("DELETE /2015-03-31/functions/a", 204, "");
  shell.Answers("DELETE /2015-03-31/functions/b",
                Lambda(404, "ResourceNotFoundException", "Function not found: b"));
  shell.Answers("DELETE /2015-03-31/functions/c", 204, "");
  const auto heard = shell.Type({"rm", "a", "b", "c"});
  EXPECT_EQ(heard.exit, 3);
  EXPECT_EQ(heard.out, "a removed\n");
  EXPECT_EQ(heard.err,
            "godwit: cannot rm 'b': Function not found: b (`godwit list` shows the functions)\n");
  EXPECT_EQ(shell.Type({"rm", "a", "c", "--json"}).out, "{\"removed\":[\"a\",\"c\"]}\n");
  EXPECT_EQ(shell.Type({"rm", "a", "b", "--json"}).out, "{\"removed\":[\"a\"]}\n");
  EXPECT_EQ(shell.Type({"rm"}).exit, 2);
  shell.Type({"rm", "../x"});
  EXPECT_EQ(shell.asked.back(), "DELETE /2015-03-31/functions/..%2Fx")
      << "a name leads nowhere else";
}

http::Response Answer(std::string payload, std::string error = "") {
  auto response = http::Json(200, std::move(payload));
  response.headers.push_back({"x-amzn-RequestId", "6f1c2a90-0d3e-4b5a-9b1e-2f60c1d7a411"});
  response.headers.push_back({"X-Amz-Executed-Version", "$LATEST"});
  response.headers.push_back({"X-Amz-Log-Result", ToBase64("START\nhello\n")});
  if (!error.empty()) response.headers.push_back({"X-Amz-Function-Error", std::move(error)});
  return response;
}

TEST(InvokeTest, TheResponseAloneIsOnStandardOutput) {
  TestShell shell;
  shell.Answers("POST /2015-03-31/functions/greeter/invocations", Answer(R"({"hello": 1.0})"));
  const auto heard = shell.Type({"invoke", "greeter", R"({"name":"edge"})"});
  EXPECT_EQ(heard.exit, 0);
  EXPECT_EQ(heard.out, "{\"hello\": 1.0}\n") << "as the function gave it";
  EXPECT_EQ(heard.err, "");
  EXPECT_THAT(shell.asked,
              ElementsAre(R"(POST /2015-03-31/functions/greeter/invocations {"name":"edge"})"));
  EXPECT_EQ(shell.requests[0].Get("X-Amz-Invocation-Type"), "RequestResponse");
  EXPECT_EQ(shell.requests[0].Get("X-Amz-Log-Type"), "");
}

TEST(InvokeTest, ThePayloadMayComeFromElsewhere) {
  TestShell shell;
  shell.Answers("POST /2015-03-31/functions/f/invocations", Answer("1"));
  shell.Type({"invoke", "f"});
  EXPECT_EQ(shell.requests.back().body, "{}");
  shell.input = "[1,\n2]";
  shell.Type({"invoke", "f", "-"});
  EXPECT_EQ(shell.requests.back().body, "[1,\n2]");
  const auto heard = shell.Type({"invoke", "f", "@/nonexistent/event.json"});
  EXPECT_EQ(heard.exit, 3);
  EXPECT_THAT(heard.err, testing::StartsWith("godwit: cannot invoke 'f': "));
  EXPECT_THAT(heard.err, HasSubstr("/nonexistent/event.json"));
}

TEST(InvokeTest, AFailedFunctionIsAnErrorAndItsErrorObjectTheResponse) {
  TestShell shell;
  const std::string object =
      R"({"errorMessage":"no such\nname","errorType":"ValueError","stackTrace":[]})";
  shell.Answers("POST /2015-03-31/functions/f/invocations", Answer(object, "Unhandled"));
  const auto heard = shell.Type({"invoke", "f"});
  EXPECT_EQ(heard.exit, 1);
  EXPECT_EQ(heard.out, object + "\n");
  EXPECT_EQ(
      heard.err,
      "godwit: cannot invoke 'f': the function failed: ValueError: no such name (see `godwit logs "
      "f`)\n");
}

TEST(InvokeTest, TheLogTailGoesToStandardError) {
  TestShell shell;
  shell.Answers("POST /2015-03-31/functions/f/invocations", Answer("1"));
  const auto heard = shell.Type({"invoke", "f", "--tail"});
  EXPECT_EQ(heard.out, "1\n");
  EXPECT_EQ(heard.err, "START\nhello\n");
  EXPECT_EQ(shell.requests[0].Get("X-Amz-Log-Type"), "Tail");
}

TEST(InvokeTest, AsJsonItHasTheWholeAnswer) {
  TestShell shell;
  shell.Answers("POST /2015-03-31/functions/f/invocations", Answer("[1.50]"));
  EXPECT_EQ(shell.Type({"invoke", "f", "--json"}).out,
            R"({"request_id":"6f1c2a90-0d3e-4b5a-9b1e-2f60c1d7a411","status_code":200,)"
            R"("executed_version":"$LATEST","function_error":null,"log_tail":"START\nhello\n",)"
            R"("payload":[1.50]})"
            "\n");
}

TEST(InvokeTest, AsyncPrintsTheRequestId) {
  TestShell shell;
  auto accepted = Answer("");
  accepted.status = 202;
  shell.Answers("POST /2015-03-31/functions/f/invocations", accepted);
  EXPECT_EQ(shell.Type({"invoke", "f", "--async"}).out, "6f1c2a90-0d3e-4b5a-9b1e-2f60c1d7a411\n");
  EXPECT_EQ(shell.requests[0].Get("X-Amz-Invocation-Type"), "Event");
  EXPECT_EQ(shell.Type({"invoke", "f", "--async", "--json"}).out,
            "{\"request_id\":\"6f1c2a90-0d3e-4b5a-9b1e-2f60c1d7a411\"}\n");
  EXPECT_EQ(shell.Type({"invoke", "f", "--async", "--tail"}).exit, 2);
}

TEST(InvokeTest, WhatTheNodeRefusesKeepsItsExitCode) {
  TestShell shell;
  const std::string target = "POST /2015-03-31/functions/f/invocations";
  shell.Answers(target, Lambda(429, "TooManyRequestsException", "Rate Exceeded."));
  shell.Answers(target, Lambda(413, "RequestTooLargeException", "too large"));
  shell.Answers(target, http::Text(502, "<html>"));
  EXPECT_EQ(shell.Type({"invoke", "f"}).exit, 9);
  EXPECT_EQ(shell.Type({"invoke", "f"}).exit, 8);
  const auto heard = shell.Type({"invoke", "f"});
  EXPECT_EQ(heard.exit, 1);
  EXPECT_EQ(heard.err, "godwit: cannot invoke 'f': the node answered with status 502\n");
}

TEST(InvokeTest, APayloadThatIsNoJson) {
  TestShell shell;
  shell.Answers("POST /2015-03-31/functions/f/invocations",
                Lambda(400, "InvalidRequestContentException", "Could not parse request body"));
  const auto heard = shell.Type({"invoke", "f", "{name:edge}"});
  EXPECT_EQ(heard.exit, 2);
  EXPECT_EQ(heard.err,
            "godwit: cannot invoke 'f': the payload is not JSON (write it in single quotes, as "
            "'{\"name\":\"edge\"}')\n");
}

TEST(ResultTest, StatusUntilThereIsAResult) {
  TestShell shell;
  const std::string record = "GET /godwit/v1/invocations/id-1";
  shell.Answers(record, 200, R"({"id":"id-1","function":"f","status":"RUNNING","result":null})");
  const auto heard = shell.Type({"result", "id-1"});
  EXPECT_EQ(heard.exit, 0);
  EXPECT_EQ(heard.out, "RUNNING\n");
  EXPECT_EQ(shell.Type({"result", "id-1", "--json"}).out,
            "{\"id\":\"id-1\",\"function\":\"f\",\"status\":\"RUNNING\",\"result\":null}\n");
}

TEST(ResultTest, WaitsForTheEndAndPrintsThePayload) {
  TestShell shell;
  const std::string record = "GET /godwit/v1/invocations/id-1";
  shell.Answers(record, 200, R"({"function":"f","status":"QUEUED"})");
  shell.Answers(record, 200, R"({"function":"f","status":"RUNNING"})");
  shell.Answers(record, 200, R"({"function":"f","status":"SUCCEEDED","result":1E0})");
  shell.Answers(record + "/result", 200, "1.0");
  const auto heard = shell.Type({"result", "id-1", "--wait"});
  EXPECT_EQ(heard.exit, 0);
  EXPECT_EQ(heard.out, "1.0\n");
  EXPECT_EQ(shell.pauses.size(), 2u);
}

TEST(ResultTest, AFailureIsAnErrorWithItsPayload) {
  TestShell shell;
  shell.Answers("GET /godwit/v1/invocations/id-1", 200, R"({"function":"f","status":"FAILED"})");
  shell.Answers("GET /godwit/v1/invocations/id-1/result", 200, R"({"errorType":"E"})");
  const auto heard = shell.Type({"result", "id-1"});
  EXPECT_EQ(heard.exit, 1);
  EXPECT_EQ(heard.out, "{\"errorType\":\"E\"}\n");
  EXPECT_EQ(
      heard.err,
      "godwit: cannot invoke 'f': the function failed in the call 'id-1' (see `godwit logs f`)\n");
  EXPECT_EQ(shell.Type({"result", "id-2"}).exit, 3);
}

TEST(CallbackTest, HandsOverThePayloadAndSaysItsNumber) {
  TestShell shell;
  const std::string target = "POST /godwit/v1/invocations/id-1/callback";
  shell.Answers(target, 202, R"({"request_id":"id-1","number":3})");
  const auto heard = shell.Type({"callback", "id-1", R"({"approved": true})", "--key", "order 17"});
  EXPECT_EQ(heard.exit, 0) << heard.err;
  EXPECT_EQ(heard.out, "id-1  callback 3\n");
  EXPECT_EQ(shell.requests.back().body, R"({"approved": true})");
  EXPECT_EQ(shell.requests.back().Get("Idempotency-Key"), "order 17");
  shell.input = "[1]\n";
  EXPECT_EQ(shell.Type({"callback", "id-1", "-", "--json"}).out,
            "{\"request_id\":\"id-1\",\"number\":3}\n");
  EXPECT_EQ(shell.requests.back().body, "[1]\n");
  EXPECT_EQ(shell.requests.back().Get("Idempotency-Key"), "");
}

TEST(CallbackTest, WhatCannotBeDelivered) {
  TestShell shell;
  const std::string target = "POST /godwit/v1/invocations/id-1/callback";
  shell.Answers(target, 409, R"({"error":{"code":"conflict","message":"call 'id-1' has ended"}})");
  auto heard = shell.Type({"callback", "id-1", "1"});
  EXPECT_EQ(heard.exit, 7);
  EXPECT_EQ(heard.err, "godwit: cannot deliver a callback to 'id-1': call 'id-1' has ended\n");
  EXPECT_EQ(shell.Type({"callback", "id-2", "1"}).exit, 3);
  EXPECT_EQ(shell.Type({"callback", "id-1", "@/no/such/file"}).exit, 3);
  EXPECT_EQ(shell.Type({"callback", "id-1"}).exit, 2);
  shell.Answers("POST /godwit/v1/invocations/id-3/callback", 400,
                R"({"error":{"code":"invalid","message":"the payload is not JSON: x"}})");
  heard = shell.Type({"callback", "id-3", "yes"});
  EXPECT_EQ(heard.exit, 2);
  EXPECT_THAT(heard.err, HasSubstr("the payload is not JSON (write it in single quotes"));
}

constexpr auto kInstances = R"([
 {"instance":"i-3f9a0c51b2","function":"reminder","state":"SUSPENDED","pid":0,"memory_bytes":0,
  "image_bytes":2400000,"request_id":"6f1c2a90-0d3e-4b5a-9b1e-2f60c1d7a411",
  "wakes_at":"2026-11-22T01:00:18.000Z","reason":"sleeps","since":"2026-11-22T00:59:00.000Z"},
 {"instance":"i-77aa0c51b2","function":"greeter","state":"READY","pid":4711,"memory_bytes":13700000,
  "image_bytes":0,"request_id":null,"wakes_at":null,"reason":"",
  "since":"2026-11-22T00:59:00.000Z"}])";

TEST(PsTest, ATable) {
  TestShell shell;
  shell.now = kNow;
  shell.Answers("GET /godwit/v1/instances", 200, kInstances);
  EXPECT_EQ(shell.Type({"ps"}).out,
            "INSTANCE      FUNCTION  STATE       MEMORY    IMAGE  WAKES    REQUEST                 "
            "              REASON\n"
            "i-3f9a0c51b2  reminder  SUSPENDED      0 B  2.40 MB  in 18 s  "
            "6f1c2a90-0d3e-4b5a-9b1e-2f60c1d7a411  sleeps\n"
            "i-77aa0c51b2  greeter   READY      13.7 MB        -  -        -                       "
            "              -\n");
}

TEST(PsTest, ANarrowTerminalShortensRequests) {
  TestShell shell;
  shell.now = kNow;
  shell.style = {.terminal = true, .colour = true, .width = 90};
  shell.Answers("GET /godwit/v1/instances", 200, kInstances);
  const auto out = shell.Type({"ps"}).out;
  EXPECT_THAT(out, HasSubstr("\x1b[36mSUSPENDED\x1b[0m"));
  EXPECT_THAT(out, HasSubstr("  6f1c2a90…  sleeps\n"));
}

TEST(PsTest, AsJsonItIsWhatTheNodeSaid) {
  TestShell shell;
  shell.Answers("GET /godwit/v1/instances", 200, kInstances);
  const auto out = shell.Type({"ps", "--json"}).out;
  EXPECT_THAT(out, testing::StartsWith(R"([{"instance":"i-3f9a0c51b2","function":"reminder",)"));
  EXPECT_THAT(out, HasSubstr(R"("wakes_at":null)"));
}

constexpr auto kReport =
    R"({"instance":{"instance":"i-1","function":"f","state":"SUSPENDED","image_bytes":2400000},
  "took_us":41300,"memory_before":13700000,"memory_after":0})";

TEST(MoveTest, SuspendAndResumeTellWhatChanged) {
  TestShell shell;
  shell.Answers("POST /godwit/v1/instances/i-1/suspend", 200, kReport);
  shell.Answers("POST /godwit/v1/instances/i-1/resume", 200, kReport);
  EXPECT_EQ(shell.Type({"suspend", "i-1"}).out,
            "i-1  SUSPENDED  memory 13.7 MB -> 0 B  image 2.40 MB  in 41.3 ms\n");
  EXPECT_EQ(shell.Type({"resume", "i-1"}).exit, 0);
  shell.Answers("POST /godwit/v1/instances/i-2/resume", 200,
                R"({"instance":{"instance":"i-2","state":"READY","image_bytes":0},)"
                R"("took_us":9000,"memory_before":0,"memory_after":5000000})");
  EXPECT_EQ(shell.Type({"resume", "i-2"}).out, "i-2  READY  memory 0 B -> 5.00 MB  in 9.00 ms\n");
  EXPECT_THAT(shell.Type({"suspend", "i-1", "--json"}).out, HasSubstr("\"took_us\":41300"));
  EXPECT_EQ(shell.asked[0], "POST /godwit/v1/instances/i-1/suspend");
}

TEST(MoveTest, ATierIsAskedFor) {
  TestShell shell;
  shell.Answers("POST /godwit/v1/instances/i-1/suspend?tier=spilled", 200, kReport);
  EXPECT_EQ(shell.Type({"suspend", "--tier", "spilled", "i-1"}).exit, 0);
}

TEST(PsTest, WhyIsATableOfFacts) {
  TestShell shell;
  shell.Answers("GET /godwit/v1/instances/i-1", 200,
                R"({"instance":"i-1","state":"SPILLED","why":{"belongs":"spilled","why":"so"}})");
  EXPECT_EQ(shell.Type({"ps", "--why", "i-1"}).out,
            "FACT     VALUE\nstate    SPILLED\nbelongs  spilled\nwhy      so\n");
  EXPECT_EQ(shell.Type({"ps", "--why", "i-1", "--json"}).out,
            "{\"belongs\":\"spilled\",\"why\":\"so\"}\n");
  shell.Answers("GET /godwit/v1/instances/i-2", 200, R"({"instance":"i-2","state":"STOPPED"})");
  EXPECT_THAT(shell.Type({"ps", "--why", "i-2"}).err, HasSubstr("has ended"));
}

TEST(MoveTest, ARefusalSaysWhatStandsInTheWayOnce) {
  TestShell shell;
  shell.Answers(
      "POST /godwit/v1/instances/i-9/suspend", 501,
      R"j({"error":{"code":"unsupported","message":"cannot suspend 'i-9': fd 5 of process )j"
      R"j(100 (python3) is an inotify watch (close it before waiting)"}})j");
  const auto heard = shell.Type({"suspend", "i-9"});
  EXPECT_EQ(heard.exit, 4);
  EXPECT_EQ(
      heard.err,
      "godwit: cannot suspend 'i-9': fd 5 of process 100 (python3) is an inotify watch (close it "
      "before waiting)\n");
  EXPECT_EQ(shell.Type({"resume", "i-0"}).err,
            "godwit: cannot resume 'i-0': there is no such thing\n");
}

http::Response Log(std::string text, std::string next, std::string skipped = "") {
  auto response = http::Text(200, std::move(text));
  response.headers.push_back({"Godwit-Log-Next", std::move(next)});
  if (!skipped.empty()) response.headers.push_back({"Godwit-Log-Skipped", std::move(skipped)});
  return response;
}

TEST(LogsTest, PrintsAndFollowsFromPlaceToPlace) {
  TestShell shell;
  const std::string logs = "GET /godwit/v1/functions/f/logs";
  shell.Answers(logs + "?bytes=10", Log("one\n", "104"));
  shell.Answers(logs + "?after=104&bytes=4194304", Log("", "104"));
  shell.Answers(logs + "?after=104&bytes=4194304", Log("two\n", "108"));
  shell.Answers(logs + "?after=108&bytes=4194304", Log(std::string(2 << 20, '.') + "\n", "9", "7"));
  shell.Answers(logs + "?after=9&bytes=4194304",
                http::Json(404, R"({"error":{"code":"not_found","message":"no function 'f'"}})"));
  const auto heard = shell.Type({"logs", "f", "--bytes", "10", "--follow"});
  EXPECT_EQ(heard.out, "one\ntwo\n" + std::string(2 << 20, '.') + "\n");
  EXPECT_EQ(heard.exit, 3) << "it ends when the function is removed";
  EXPECT_EQ(heard.err,
            "godwit: 7 bytes of the log came too fast and are gone\n"
            "godwit: cannot show the log of 'f': no function 'f'\n");
  EXPECT_EQ(shell.pauses.size(), 2u) << "where much comes, it is asked for more at once";
}

TEST(LogsTest, AsJsonAndErrors) {
  TestShell shell;
  shell.Answers("GET /godwit/v1/functions/f/logs?bytes=65536", http::Text(200, "one\n"));
  EXPECT_EQ(shell.Type({"logs", "f", "--json"}).out, "{\"function\":\"f\",\"log\":\"one\\n\"}\n");
  EXPECT_EQ(shell.Type({"logs", "f", "--bytes", "-1"}).exit, 2);
  EXPECT_EQ(shell.Type({"logs", "f", "--bytes", "9999999"}).err,
            "godwit: cannot show the log of 'f': --bytes is 9999999 (give 0 to 4194304)\n");
  EXPECT_EQ(shell.Type({"logs", "f", "--bytes", "many"}).err,
            "godwit: cannot show the log of 'f': --bytes wants a whole number, not 'many'\n");
}

}  // namespace
}  // namespace godwit::cli
