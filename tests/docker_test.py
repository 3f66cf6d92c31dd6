"""The engine `docker`, with a real Docker Engine of the test's own: functions are containers,
blocked ones are paused and answer, and what is missing or dies is said and mended. And why they are
not checkpointed by it."""
import json
import pathlib
import re
import shutil
import sys
import tempfile
import unittest
import urllib.parse

import harness
import images

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "bench"))
# pylint: disable=import-error,wrong-import-position
from sides.docker_engine import Engine, NoEngine
from sides.plain_criu import find_criu
# pylint: enable=import-error,wrong-import-position

ROOT = pathlib.Path(__file__).parents[1]


def start_engine(case, **options):
    try:
        folder = pathlib.Path(tempfile.mkdtemp(prefix="godwit-docker-test-")) / "engine"
        engine = Engine(str(folder), str(ROOT / "build/bench/docker"), find_criu(),
                        **options).__enter__()
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
        node.wait_for(90, function="approval", state="FROZEN", request_id=request)
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


# Waits, and then speaks over a connection that it has had for long.
SLEEPER = """
import ctypes, json, os, socket, time
with socket.create_server(("127.0.0.1", 9001)) as server:
    line = socket.create_connection(server.getsockname())
    peer, _ = server.accept()
libc = ctypes.CDLL(None, use_errno=True)
begun = time.monotonic()
print("asleep", flush=True)
left = libc.nanosleep((ctypes.c_long * 2)(SECONDS, 0), None)
cut_short = left != 0 and os.strerror(ctypes.get_errno())
said = {"cut_short": cut_short, "slept": time.monotonic() - begun}
try:
    line.sendall(b"x")
except OSError as error:
    said["lost"] = error.strerror
print(json.dumps(said), flush=True)
"""


class Checkpoints(unittest.TestCase):
    """What docs/docker.md says of the Engine's own checkpoints. If one of these fails, the Engine
    has become better, and Godwit may use them."""

    SECONDS = 20

    @classmethod
    def setUpClass(cls):
        cls.engine = start_engine(cls, private_etc=True)
        cls.engine.import_host()

    def start(self):
        program = SLEEPER.replace("SECONDS", str(self.SECONDS))
        sleeper = self.engine.start_host(["/usr/bin/python3", "-c", program])
        self.addCleanup(self.engine.remove, sleeper)
        harness.eventually(lambda: b"asleep" in sleeper.log(), 20, "its sleep")
        return sleeper

    def dump_log(self, sleeper):
        (log,) = pathlib.Path(self.engine.run).glob(f"**/{sleeper.name}/criu-dump.log")
        return log.read_text(encoding="utf-8")

    def said(self, sleeper):
        text = harness.eventually(lambda: re.search(rb"{.*}", sleeper.log()), 60, "its word")[0]
        harness.say(text.decode())
        return json.loads(text)

    def test_who_has_a_connection_is_refused_and_disturbed(self):
        sleeper = self.start()
        with self.assertRaisesRegex(NoEngine, "criu failed"):
            sleeper.checkpoint("one")
        self.assertIn("consider using --tcp-established", self.dump_log(sleeper))
        self.assertEqual(self.said(sleeper)["cut_short"], "Interrupted system call")

    def test_whose_connections_may_be_closed_is_disturbed_too(self):
        pathlib.Path(self.engine.runc_conf).write_text("tcp-close\n", encoding="ascii")
        self.addCleanup(pathlib.Path(self.engine.runc_conf).unlink)
        for _ in range(10):
            sleeper = self.start()
            try:
                sleeper.checkpoint("one")
                break
            except NoEngine:
                # CRIU looks at all the hierarchies of control groups that the machine has, and some
                # other node's has just gone.
                self.assertIn("cg: Unable to create the cgroup", self.dump_log(sleeper))
        sleeper.wait_until_stopped()

        def restored():
            try:
                return sleeper.restore("one")
            except NoEngine as reason:  # for a second or so
                self.assertIn("already exists", str(reason))
                return None
        harness.eventually(restored, 60, "its restore")
        said = self.said(sleeper)
        self.assertEqual((said["cut_short"], said["lost"]),
                         ("Interrupted system call", "Broken pipe"))


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
