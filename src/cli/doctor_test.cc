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

TEST(DoctorTest, AFunctionThatWillCheckpoint) {
  TestShell shell;
  shell.Answers("GET /godwit/v1/functions/greeter/diagnosis", 200,
                R"({"function":"greeter","checkpoints":true,"obstacles":[],)"
                R"("image_bytes":2400000,"dump_us":31000,"instance":"i-1","state":"READY"})");
  shell.Answers("GET /godwit/v1/functions/greeter/diagnosis", 200,
                R"({"function":"greeter","checkpoints":true,"obstacles":[],)"
                R"("image_bytes":2400000,"dump_us":31000,"instance":"i-1","state":"BLOCKED"})");
  const auto heard = shell.Type({"doctor", "greeter"});
  EXPECT_EQ(heard.exit, 0);
  EXPECT_EQ(heard.out,
            "greeter will checkpoint: image 2.40 MB before it is packed, dumped in 31.0 ms\n"
            "  tried on i-1, which is not waiting in a call: what a call opens was not seen (ask "
            "again while one waits)\n");
  EXPECT_EQ(shell.Type({"doctor", "greeter"}).out,
            "greeter will checkpoint: image 2.40 MB before it is packed, dumped in 31.0 ms\n"
            "  tried on i-1, whose call waits\n");
}

TEST(DoctorTest, AFunctionThatWillNotSaysWhy) {
  TestShell shell;
  shell.Answers("GET /godwit/v1/functions/watcher/diagnosis", 200,
                R"j({"function":"watcher","checkpoints":false,"obstacles":[
                "fd 5 of process 100 (python3): inotify watch (close it before waiting)"]})j");
  const auto heard = shell.Type({"doctor", "watcher"});
  EXPECT_EQ(heard.exit, 4);
  EXPECT_EQ(heard.out,
            "watcher will not checkpoint:\n"
            "  fd 5 of process 100 (python3): inotify watch (close it before waiting)\n");
  EXPECT_EQ(
      heard.err,
      "godwit: cannot examine 'watcher': 1 obstacle stands in the way of a checkpoint (it still "
      "runs, but keeps its memory while it waits)\n");
  shell.reachable = false;
  EXPECT_EQ(shell.Type({"doctor", "watcher"}).exit, 13) << "a function needs its node";
}

}  // namespace
}  // namespace godwit::cli
