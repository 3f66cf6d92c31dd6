#include <gmock/gmock.h>

#include "cli/test_shell.h"
#include "cli/verbs.h"

namespace godwit::cli {
namespace {

using testing::HasSubstr;

const std::vector<Feature> kFeatures = {
    {"CRIU", true, "4.1.1 at /usr/sbin/criu", "nothing can be put away"},
    {"cgroup v2", false, "v1 is mounted", "memory is counted a little coarser"}};

TEST(DoctorTest, WithoutANodeItLooksAtThisMachine) {
  TestShell shell;
  shell.reachable = false;
  shell.features = kFeatures;
  const auto heard = shell.Type({"doctor"});
  EXPECT_EQ(heard.exit, 0);
  EXPECT_EQ(heard.out,
            "FEATURE    HERE  WHAT WAS FOUND, AND WHAT IS LOST WITHOUT IT\n"
            "CRIU       yes   4.1.1 at /usr/sbin/criu\n"
            "cgroup v2  no    v1 is mounted; memory is counted a little coarser\n");
  EXPECT_EQ(heard.err, "");
  EXPECT_THAT(
      shell.Type({"doctor", "--json"}).out,
      testing::AllOf(HasSubstr("\"node\":null"), HasSubstr("\"cost\":\"memory is counted")));
}

TEST(DoctorTest, WithANodeItIsTheNodesView) {
  TestShell shell;
  shell.Answers("GET /godwit/v1/node", 200,
                R"({"version":"0.1.0","data":"/var/lib/godwit","pid":77,
                "rss_bytes":21000000,"uptime_ms":65000,
                "functions":2,"instances":{"READY":1,"SUSPENDED":3},
                "features":[{"name":"CRIU","present":true,"detail":"4.1.1","cost":""}]})");
  const auto heard = shell.Type({"doctor"});
  EXPECT_EQ(heard.out,
            "node 0.1.0 at http://127.0.0.1:9000, pid 77, up 1 min 5 s, 21.0 MB resident, data in "
            "/var/lib/godwit, 2 functions\n"
            "instances: 1 READY 3 SUSPENDED\n"
            "\n"
            "FEATURE  HERE  WHAT WAS FOUND, AND WHAT IS LOST WITHOUT IT\n"
            "CRIU     yes   4.1.1\n");
}

constexpr const char* kTrial = "POST /godwit/v1/functions/greeter/trial";

TEST(DoctorTest, AFunctionThatWillCheckpoint) {
  TestShell shell;
  shell.Answers(kTrial, 200,
                R"({"function":"greeter","instance":"i-1","checkpoints":true,"waited":true,"tiers":[
      {"tier":"FROZEN","result":"works","state":"BLOCKED","reason":null,"took_us":1200,
       "back_us":400,"memory_before":6770000,"memory_after":6770000,"image_bytes":0},
      {"tier":"SUSPENDED","result":"works","state":"BLOCKED","reason":null,"took_us":31000,
       "back_us":29000,"memory_before":6770000,"memory_after":0,"image_bytes":2400000}],
      "obstacles":[],"template":"none yet","call":{"id":"r","status":"SUCCEEDED",
      "function_error":null,"took_us":2100000,"result":{"n":1}}})");
  const auto heard = shell.Type({"doctor", "greeter"});
  EXPECT_EQ(heard.exit, 0);
  EXPECT_EQ(heard.out,
            "greeter will checkpoint\n"
            "TIER       RESULT     TOOK     BACK  MEMORY                IMAGE\n"
            "FROZEN     works   1.20 ms   400 us  6.77 MB -> 6.77 MB        -\n"
            "SUSPENDED  works   31.0 ms  29.0 ms  6.77 MB -> 0 B      2.40 MB\n"
            "  its call: answered {\"n\":1} in 2.10 s\n"
            "  tried on i-1, an instance of its own, while its call waited\n"
            "  template: none yet\n");
}

TEST(DoctorTest, ACallThatFailedOrDidNotWaitIsSaid) {
  TestShell shell;
  shell.Answers(kTrial, 200,
                R"({"function":"greeter","instance":"i-1","checkpoints":true,"waited":false,
                "tiers":[],"obstacles":[],"template":null,"call":{"id":"r","status":"FAILED",
                "took_us":2000,"result":{"errorType":"KeyError"}}})");
  shell.Answers(kTrial, 200,
                R"({"function":"greeter","instance":"i-1","checkpoints":true,"waited":false,
                "tiers":[],"obstacles":[],"call":{"id":"r","status":"RUNNING","took_us":0,
                "result":null}})");
  EXPECT_THAT(shell.Type({"doctor", "greeter"}).out,
              testing::AllOf(HasSubstr("its call: failed in 2.00 ms: {\"errorType\":\"KeyError\"}"),
                             HasSubstr("`godwit logs greeter`"),
                             HasSubstr("after its call, which did not wait")));
  EXPECT_THAT(shell.Type({"doctor", "greeter"}).out,
              testing::AllOf(HasSubstr("had not ended when its time was over"),
                             HasSubstr("in the middle of its work")));
}

TEST(DoctorTest, AFunctionThatWillNotSaysWhyAndTheFix) {
  TestShell shell;
  const char* const refused =
      R"j({"function":"greeter","instance":"i-1","checkpoints":false,"waited":true,"tiers":[
      {"tier":"SPILLED","result":"works","state":"BLOCKED","took_us":5000,"back_us":2000,
       "memory_before":6770000,"memory_after":900000,"image_bytes":5000000},
      {"tier":"SUSPENDED","result":"refused","state":"BLOCKED","reason":"…","took_us":0,
       "back_us":0,"memory_before":0,"memory_after":0,"image_bytes":0}],
      "obstacles":[{"kind":"mptcp",
       "what":"descriptor 5 of process 100 (app) is an MPTCP socket",
       "fix":"set GODEBUG=multipathtcp=0"}],
      "call":{"id":"r","status":"SUCCEEDED","took_us":3000000,"result":1}})j";
  shell.Answers(kTrial, 200, refused);
  const auto heard = shell.Type({"doctor", "greeter"});
  EXPECT_EQ(heard.exit, 4);
  EXPECT_EQ(heard.out,
            "greeter will not checkpoint\n"
            "TIER       RESULT      TOOK     BACK  MEMORY               IMAGE\n"
            "SPILLED    works    5.00 ms  2.00 ms  6.77 MB -> 900 kB  5.00 MB\n"
            "SUSPENDED  refused        -        -  -                        -\n"
            "  obstacle: descriptor 5 of process 100 (app) is an MPTCP socket\n"
            "       fix: set GODEBUG=multipathtcp=0\n"
            "  its call: answered 1 in 3.00 s\n"
            "  tried on i-1, an instance of its own, while its call waited\n");
  EXPECT_EQ(heard.err,
            "godwit: cannot examine 'greeter': 1 obstacle stands in the way of SUSPENDED (while it "
            "waits, it is SPILLED: its processes stay, its memory goes to disk)\n");
  shell.Answers(kTrial, 200, refused);
  const auto json = shell.Type({"doctor", "greeter", "--json"});
  EXPECT_EQ(json.exit, 4);
  EXPECT_EQ(json.out, std::string(refused) + "\n") << "as the node has it";
  shell.reachable = false;
  EXPECT_EQ(shell.Type({"doctor", "greeter"}).exit, 13) << "a function needs its node";
}

TEST(DoctorTest, WhatCannotBeTried) {
  TestShell shell;
  EXPECT_EQ(shell.Type({"doctor", "greeter", "--event", "{"}).exit, 2);
  EXPECT_EQ(shell.Type({"doctor", "greeter", "--for", "soon"}).exit, 2);
  const auto heard = shell.Type({"doctor", "--event", "{}"});
  EXPECT_EQ(heard.exit, 2);
  EXPECT_THAT(heard.err, HasSubstr("--event needs the name of a function"));
}

}  // namespace
}  // namespace godwit::cli
