#include "docker/container_json.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace godwit::docker {
namespace {

namespace json = boost::json;

TEST(ContainerJsonTest, IsAsUnprivilegedAsTheNativeWalls) {
  ContainerPlan plan;
  plan.name = "i-0123456789";
  plan.store = "abcd";
  plan.image = "python:3.12";
  plan.home = "/data/instances/i-0123456789";
  plan.starter = "/data/docker/start";
  plan.binds = {"/usr:/usr:ro"};
  plan.program.argv = {"/e", "a.b"};
  plan.program.environment = {"A=1"};
  plan.program.directory = "/w";
  plan.program.uid = 1000000001;
  plan.limits = {256 << 20, 1.5, 100};
  plan.ephemeral_mb = 600;
  const json::value settings = json::parse(ContainerJson(plan));
  const auto at = [&](const char* pointer) {
    return json::serialize(settings.at_pointer(pointer));
  };
  EXPECT_EQ(at("/Image"), R"("python:3.12")");
  EXPECT_EQ(at("/Entrypoint"), R"(["/run/godwit-start","await","/run/godwit/start"])");
  EXPECT_EQ(at("/Cmd"), R"(["/e","a.b"])");
  EXPECT_EQ(at("/User"), R"("1000000001:1000000001")");
  EXPECT_EQ(at("/Labels/godwit.store"), R"("abcd")");
  EXPECT_EQ(at("/HostConfig/NetworkMode"), R"("none")");
  EXPECT_EQ(at("/HostConfig/Memory"), "268435456");
  EXPECT_EQ(at("/HostConfig/MemorySwap"), "268435456");
  EXPECT_EQ(at("/HostConfig/NanoCpus"), "1500000000");
  EXPECT_EQ(at("/HostConfig/PidsLimit"), "100");
  EXPECT_EQ(at("/HostConfig/ReadonlyRootfs"), "true");
  EXPECT_EQ(at("/HostConfig/CapDrop"), R"(["ALL"])");
  EXPECT_EQ(at("/HostConfig/SecurityOpt"), R"(["no-new-privileges"])");
  EXPECT_EQ(at("/HostConfig/Binds"),
            R"(["/data/instances/i-0123456789/run:/run/godwit:ro",)"
            R"("/data/docker/start:/run/godwit-start:ro","/usr:/usr:ro"])");
  plan.network = true;
  EXPECT_EQ(json::parse(ContainerJson(plan)).at_pointer("/HostConfig/NetworkMode").as_string(),
            "bridge");
}

}  // namespace
}  // namespace godwit::docker
