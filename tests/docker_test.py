"""The engine `docker`, with a real Docker Engine of the test's own: functions are containers,
blocked ones are paused and answer, and what is missing or dies is said and mended."""
import json
import pathlib
import shutil
import sys
import tempfile
import urllib.parse

import harness
import images

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "bench"))
# pylint: disable=import-error,wrong-import-position
from sides.docker_engine import Engine, NoEngine
from sides.plain_criu import find_criu
# pylint: enable=import-error,wrong-import-position

ROOT = pathlib.Path(__file__).parents[1]


def start_engine(case):
    try:
        folder = pathlib.Path(tempfile.mkdtemp(prefix="godwit-docker-test-")) / "engine"
        engine = Engine(str(folder), str(ROOT / "build/bench/docker"), find_criu()).__enter__()
    except NoEngine as reason:
        case.skipTest(f"no Docker Engine here: {reason}")
    case.addClassCleanup(shutil.rmtree, folder.parent, ignore_errors=True)
    case.addClassCleanup(engine.__exit__)
    return engine


def add_image(engine, name):
    """An image whose program speaks the Runtime API."""
    tar = images.flat([images.python_layer(), images.layer({"app/runtime.py": images.RUNTIME})])
    changes = ['ENTRYPOINT ["/usr/bin/python3", "/app/runtime.py"]', 'CMD ["app.handler"]',
               "ENV GREETING=image", "WORKDIR /app"]
    query = "".join("&changes=" + urllib.parse.quote(one) for one in changes)
    engine.ask("POST", f"/images/create?fromSrc=-&repo={name}&tag=latest{query}", tar)


class Docker(harness.NodeCase):

    @classmethod
    def setUpClass(cls):
        cls.engine = start_engine(cls)
        cls.flags = ("--docker-socket", cls.engine.socket, "--blocked-after", "300ms",
                     "--idle-after", "1s")
        super().setUpClass()
        add_image(cls.engine, "app")
        cls.node.ok("deploy", "boxed", "--image", "app", "--engine", "docker", "--timeout", "60")

    def containers(self):
        """By name, as the Engine has them."""
        rows = json.loads(self.engine.ask("GET", "/containers/json?all=1"))
        return {row["Names"][0].lstrip("/"): row["State"] for row in rows}

    def test_an_image_runs_as_a_container(self):
        node = self.node
        answer = node.invoke("boxed", {"write": "/app/x"})
        self.assertEqual((answer["words"], answer["folder"], answer["greeting"]),
                         (["app.handler"], "/app", "image"))
        self.assertGreater(answer["uid"], 1000)
        self.assertIn("Read-only", answer["wrote"])
        self.assertTrue(node.invoke("boxed", {"write": "/tmp/x"})["wrote"])
        harness.eventually(lambda: "call 1 of ['app.handler']" in node.ok("logs", "boxed",
                                                                          quiet=True),
                           20, "its log")
        (row,) = node.ps(function="boxed")
        details = json.loads(self.engine.ask("GET", f"/containers/{row['instance']}/json"))
        self.assertEqual((details["HostConfig"]["NetworkMode"], details["HostConfig"]["CapDrop"],
                          details["HostConfig"]["ReadonlyRootfs"]), ("none", ["ALL"], True))
        configuration = node.boto3().get_function_configuration(FunctionName="boxed")
        self.assertEqual(configuration["PackageType"], "Image")

    def test_one_that_blocks_is_paused_and_answers(self):
        node = self.node
        request = node.submit("boxed", {"sleep": 5})
        row = node.wait_for(function="boxed", state="FROZEN", request_id=request)
        self.assertIsNotNone(row["wakes_at"])
        self.assertEqual(self.containers()[row["instance"]], "paused")
        record = node.result(request)
        self.assertEqual((record["status"], record["result"]["words"]),
                         ("SUCCEEDED", ["app.handler"]), record)

    def test_by_hand_and_for_a_call(self):
        node = self.node
        node.invoke("boxed")
        row = node.wait_for(function="boxed", state="FROZEN")  # idle
        before = node.invoke("boxed")["calls"]
        self.assertGreater(before, 1)
        moved = node.json("suspend", row["instance"])
        self.assertEqual(moved["instance"]["state"], "FROZEN")
        self.assertEqual(self.containers()[row["instance"]], "paused")
        self.check_error(node.godwit("suspend", row["instance"]), 7, "FROZEN")
        back = node.json("resume", row["instance"])
        self.assertEqual(back["instance"]["state"], "READY")
        self.assertEqual(node.invoke("boxed")["calls"], before + 1)
        done = node.godwit("doctor", "boxed")
        self.check_error(done, 4, "1 obstacle")
        self.assertRegex(done.out, r"(?s)FROZEN +works.*SPILLED +refused.*SUSPENDED +refused.*"
                                   r"container of the Docker Engine, which can freeze it")
        self.assertIn("Docker Engine", node.ok("doctor"))

    def test_one_that_takes_too_much_memory_is_told_so(self):
        node = self.node
        done = node.godwit("invoke", "boxed", '{"fill": 400}')
        self.check_error(done, 1, "Runtime.OutOfMemory")
        self.assertEqual(node.invoke("boxed")["calls"], 1)

    def test_a_zip_runs_in_a_container_too(self):
        node = self.node
        node.ok("deploy", harness.FUNCTIONS / "echo", "--engine", "docker", "--env", "GREETING=hi")
        self.assertEqual(node.invoke("echo", {"n": 1})["event"], {"n": 1})
        (row,) = node.ps(function="echo")
        self.assertIn(row["instance"], self.containers())
        node.ok("rm", "echo")
        harness.eventually(lambda: row["instance"] not in self.containers(), 20,
                           "the end of its container")

    def test_a_callback_wakes_one_that_is_paused(self):
        node = self.node
        node.ok("deploy", ROOT / "examples/approval", "--name", "approval", "--engine", "docker")
        request = node.submit("approval", {"who": "Ada", "items": [{"price": 500}]})
        node.wait_for(function="approval", state="FROZEN", request_id=request)
        node.ok("callback", request, '{"yes": true, "by": "Eve"}')
        self.assertEqual(node.result(request)["result"],
                         {"total": 500, "ordered": True, "by": "Eve"})

    def test_what_is_not_there_is_said(self):
        node = self.node
        self.check_error(node.godwit("deploy", "x", "--image", "nobody/has:this", "--engine",
                                     "docker"), 2, "docker pull nobody/has:this")
        self.check_error(node.godwit("deploy", "x", "--image", "app"), 2, "--engine docker")


class Trouble(harness.NodeCase):
    """The Engine, or the node, goes away."""

    @classmethod
    def setUpClass(cls):
        cls.engine = start_engine(cls)
        cls.flags = ("--docker-socket", cls.engine.socket, "--blocked-after", "300ms",
                     "--engine", "docker", "--idle-after", "300s")
        super().setUpClass()
        add_image(cls.engine, "app")
        cls.node.ok("deploy", "boxed", "--image", "app", "--timeout", "60")

    def test_an_engine_that_dies_is_named_and_its_return_is_enough(self):
        node, engine = self.node, self.engine
        node.invoke("boxed")
        request = node.submit("boxed", {"sleep": 4})
        row = node.wait_for(function="boxed", state="FROZEN", request_id=request)
        engine.kill()
        try:
            done = node.godwit("resume", row["instance"])
            self.check_error(done, 1, engine.socket, "docker_socket")
            self.assertEqual(node.ps(request_id=request)[0]["state"], "FROZEN")
            done = node.godwit("invoke", "boxed", "{}")
            self.check_error(done, 1, engine.socket)
        finally:
            engine.launch()  # which ends the containers of its former life
        record = node.result(request)
        self.assertEqual(record["status"], "FAILED", record)
        self.assertEqual(node.invoke("boxed")["calls"], 1)

    def test_what_a_killed_node_leaves_is_removed(self):
        node = self.node
        node.invoke("boxed")
        (row,) = node.ps(function="boxed")
        request = node.submit("boxed", {"sleep": 3})
        node.wait_for(request_id=request)
        node.kill9()
        containers = json.loads(self.engine.ask("GET", "/containers/json?all=1"))
        self.assertIn("/" + row["instance"], [name for one in containers for name in one["Names"]])
        node.start()
        self.assertEqual(node.result(request)["status"], "SUCCEEDED")  # its second attempt
        containers = json.loads(self.engine.ask("GET", "/containers/json?all=1"))
        self.assertNotIn("/" + row["instance"],
                         [name for one in containers for name in one["Names"]])
        node.stop()
        self.assertEqual(json.loads(self.engine.ask("GET", "/containers/json?all=1")), [])
        node.start()


class Absent(harness.NodeCase):

    flags = ("--docker-socket", "/nowhere/docker.sock")

    def test_without_an_engine_the_rest_works(self):
        node = self.node
        done = node.godwit("deploy", "x", "--image", "app", "--engine", "docker")
        self.check_error(done, 6, "/nowhere/docker.sock", "docker_socket")
        node.ok("deploy", harness.FUNCTIONS / "echo", "--name", "zip", "--engine", "docker")
        done = node.godwit("invoke", "zip", "{}")
        self.assertIn("/nowhere/docker.sock", done.out + done.err)
        node.deploy("echo")
        node.invoke("echo")
        harness.eventually(lambda: "nobody at '/nowhere/docker.sock'" in
                           node.ok("doctor", quiet=True), 20, "what the node has found")


if __name__ == "__main__":
    harness.main()
