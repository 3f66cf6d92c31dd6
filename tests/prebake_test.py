"""Templates: an instance that was put away after its start, from which all further ones are cloned.

docs/prebake.md tells what they are. Whoever is a clone says so itself: the functions tell their
AWS_LAMBDA_INITIALIZATION_TYPE, and a mark that they made at their start.
"""
import json
import os
import pathlib
import signal
import unittest

import harness
from harness import eventually

SOON = 0.7  # seconds, shorter than a call may wait in memory


def status_of(node, function):
    code, _, body = node.request("GET", f"/2015-03-31/functions/{function}/configuration")
    return json.loads(body)["SnapStart"]["OptimizationStatus"] if code == 200 else code


def template_of(node, function):
    """What `doctor FUNCTION` says of it."""
    return node.json("doctor", function)["template"]


def wait_for_template(node, function):
    eventually(lambda: status_of(node, function) == "On", what=f"the template of '{function}'")


def together(node, function, count):
    """The answers of calls that run side by side, each in an instance of its own."""
    calls = [node.later("invoke", function, json.dumps({"seconds": SOON})) for _ in range(count)]
    return [json.loads(call.result().out) for call in calls]


def is_held(pid):
    """Whether it is one that CRIU has not let run yet."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    name, rest = stat.split("(", 1)[1].rsplit(")", 1)
    return name == "python3" and rest.split()[0] == "t"


def images(node):
    return [path for path in (node.data / "blobs").rglob("*") if path.is_file()]


class Clones(harness.NodeCase):

    flags = ("--idle-after", "1h", "--blocked-after", "5s")

    def clones(self, function, count=3, **settings):
        """The first call's answer, and those of clones."""
        self.node.deploy(function, **settings)
        first = self.node.invoke(function)
        wait_for_template(self.node, function)
        answers = together(self.node, function, count + 1)
        return first, [one for one in answers if one["mark"] != first["mark"]]

    def check_differ(self, answers, *names):
        for name in names:
            values = [answer[name] for answer in answers]
            self.assertEqual(len(set(map(str, values))), len(values), f"{name}: {values}")

    def test_python(self):
        first, clones = self.clones("template")
        self.assertEqual((first["init"], first["hooks"]), ("on-demand", []))
        self.assertEqual(len(clones), 3)
        for clone in clones:
            self.assertEqual((clone["init"], clone["hooks"]), ("snap-start", ["before", "after"]))
            self.assertEqual(clone["mark"], clones[0]["mark"], "of the start")
            self.assertEqual(clone["own"], clones[0]["own"], "a generator of the function's own")
            self.assertEqual({*clone["uids"], *clone["gids"], str(clone["owner"])},
                             {clone["uids"][0]}, "one user, who owns its files")
            self.assertEqual({*clone["log_stream"], clone["host"]}, {clone["host"]})
        self.check_differ([first, *clones], "uids", "host", "random", "numbers", "ssl", "uuid1",
                          "uuid4", "temporary", "request")
        # 'node' and clock sequence: with equal ones two clones may make the same UUID.
        self.assertEqual(len({clone["uuid1"][19:] for clone in clones}), 3)
        log = self.node.ok("logs", "template")
        self.assertEqual(log.count("initialised"), 2, "the first instance and the template")
        self.assertEqual(log.count("before the checkpoint"), 1)
        self.assertEqual(log.count("after the restore"), 3)
        rows = self.node.ps(function="template")
        self.assertEqual(sorted(row["instance"] for row in rows),
                         sorted(answer["host"] for answer in (first, *clones)))
        # They are instances as all others.
        for row in rows:
            self.node.ok("suspend", row["instance"])
        answers = together(self.node, "template", 4)
        self.assertEqual({answer["host"] for answer in answers}, {row["instance"] for row in rows})
        self.check_differ(answers, "random", "ssl", "uuid4")

    def test_node_js(self):
        first, clones = self.clones("template-node")
        self.assertEqual((first["init"], first["hooks"]), ("on-demand", []))
        self.assertEqual(len(clones), 3)
        for clone in clones:
            self.assertEqual((clone["init"], clone["hooks"]), ("snap-start", ["before", "after"]))
            self.assertEqual(clone["mark"], clones[0]["mark"])
            self.assertEqual(len(set(clone["log_stream"])), 1)
            self.assertEqual(len(set(clone["uids"])), 1)
            self.assertTrue(0 <= clone["math"] < 1)
        self.check_differ([first, *clones], "uids", "log_stream", "math", "uuid", "bytes", "web",
                          "integers")

    def test_threads_children_files_and_sockets(self):
        self.node.ok("deploy", harness.FUNCTIONS / "template-family", "--prebake", "on")
        wait_for_template(self.node, "template-family")
        clones = together(self.node, "template-family", 3)
        for clone in clones:
            self.assertEqual(clone["init"], "snap-start")
            self.assertEqual(len(set(clone["uids"])), 1, "all of it is one user's")
            self.assertEqual((clone["kept"], clone["child"], clone["threads"]), (8, None, 2))
            self.assertGreater(clone["ticks"], 2, "the thread goes on")
        self.assertEqual(len({clone["uids"][0] for clone in clones}), 3)

    def test_a_runtime_of_ones_own(self):
        self.node.deploy("knows", "template-provided", runtime="provided", env="KNOWS=1")
        first = self.node.invoke("knows")
        self.assertEqual(first["number"], "")
        wait_for_template(self.node, "knows")
        self.node.deploy("naive", "template-provided", runtime="provided")
        self.node.invoke("naive")
        eventually(lambda: "does not ask for a restore" in template_of(self.node, "naive"))
        self.assertEqual(status_of(self.node, "naive"), "Off")

    def test_a_change_makes_another_one(self):
        self.node.deploy("changed", "template")
        self.node.invoke("changed")
        wait_for_template(self.node, "changed")
        before = next(one for one in together(self.node, "changed", 2) if one["hooks"])
        files = len(images(self.node))
        self.node.deploy("changed", "template", timeout=7)
        self.assertEqual(status_of(self.node, "changed"), "Off")
        plain = self.node.invoke("changed")
        self.assertEqual(plain["init"], "on-demand")
        wait_for_template(self.node, "changed")
        after = next(one for one in together(self.node, "changed", 2) if one["hooks"])
        self.assertNotEqual(after["mark"], before["mark"])
        self.assertEqual(len(images(self.node)), files, "the old image is gone")
        self.node.ok("rm", "changed")
        eventually(lambda: len(images(self.node)) < files, what="the end of its image")

    def test_warm_up_and_settings(self):
        self.node.ok("deploy", harness.FUNCTIONS / "template", "--name", "warm", "--prebake", "on",
                     "--warm-up", '{"n": 1}')
        wait_for_template(self.node, "warm")
        self.assertEqual(self.node.ps(function="warm"), [], "no instance was needed")
        answer = self.node.invoke("warm")
        self.assertEqual((answer["init"], answer["hooks"]), ("snap-start", ["before", "after"]))
        other = next(one for one in together(self.node, "warm", 2) if one["host"] != answer["host"])
        self.assertEqual(other["mark"], answer["mark"])
        self.node.deploy("plain", "template", prebake="off")
        self.node.invoke("plain")
        self.assertIn("does not want one", template_of(self.node, "plain"))

    def test_what_has_no_template(self):
        for how, why in (("deleted file", "a deleted file is still open"),
                         ("before", "not in this state")):
            with self.subTest(how):
                name = "no-" + how.replace(" ", "-")
                self.node.deploy(name, "template-refused", env=f"REFUSED={how}")
                self.assertEqual(self.node.invoke(name), "on-demand")
                eventually(lambda: why in template_of(self.node, name), what=why)
                self.assertEqual(self.node.invoke(name), "on-demand")

    def test_a_clone_that_fails_is_no_failed_call(self):
        for how in ("after", "exit"):
            with self.subTest(how):
                name = "fails-" + how
                self.node.ok("deploy", harness.FUNCTIONS / "template-refused", "--name", name,
                             "--env", f"REFUSED={how}", "--prebake", "on")
                wait_for_template(self.node, name)
                self.assertEqual(self.node.invoke(name), "on-demand")
                self.assertIn("none: ", template_of(self.node, name))
                self.assertEqual(self.node.invoke(name), "on-demand")

    def test_the_lambda_api(self):
        self.node.deploy("api", "template")
        lambda_client = self.node.boto3()
        settings = {"FunctionName": "api", "SnapStart": {"ApplyOn": "PublishedVersions"}}
        updated = lambda_client.update_function_configuration(**settings)
        self.assertEqual(updated["SnapStart"],
                         {"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"})
        wait_for_template(self.node, "api")
        settings["SnapStart"] = {"ApplyOn": "None"}
        updated = lambda_client.update_function_configuration(**settings)
        self.assertEqual(updated["SnapStart"], {"ApplyOn": "None", "OptimizationStatus": "Off"})
        code, _, body = self.node.request("PUT", "/2015-03-31/functions/api/configuration",
                                          '{"SnapStart": {"ApplyOn": "Always"}}')
        self.assertEqual(code, 400, body)


class WithoutRenewal(harness.NodeCase):
    """What the runtimes do in a clone is needed: where they leave it, all clones have the same."""

    flags = Clones.flags

    def clones_without(self, function, file, line):
        path = self.node.data / "runtimes" / file
        text = path.read_text(encoding="utf-8")
        self.assertIn(line, text)
        path.write_text(text.replace(line, ""), encoding="utf-8")
        self.node.ok("deploy", harness.FUNCTIONS / function, "--prebake", "on")
        wait_for_template(self.node, function)
        return together(self.node, function, 2)

    def test_python(self):
        line = "        _renew(generators, reply.header(b\"godwit-log-stream\"))\n"
        one, two = self.clones_without("template", "python3/godwit_runtime/template.py", line)
        self.assertNotEqual(one["host"], two["host"])
        for name in ("random", "ssl", "temporary"):
            self.assertEqual(one[name], two[name], name)

    def test_node_js(self):
        one, two = self.clones_without("template-node", "nodejs/template.js", "  seedOpenssl();\n")
        self.assertNotEqual(one["log_stream"], two["log_stream"])
        for name in ("bytes", "web"):
            self.assertEqual(one[name], two[name], name)


class Faults(unittest.TestCase):

    def node_with_template(self):
        node = harness.Node("--idle-after", "1h").start()
        self.addCleanup(node.close)
        node.ok("deploy", harness.FUNCTIONS / "template", "--name", "f", "--prebake", "on")
        wait_for_template(node, "f")
        return node

    def check_whole(self, node):
        """After a restart: calls are served, and there is one template."""
        self.assertIn(node.invoke("f")["init"], ("on-demand", "snap-start"))
        wait_for_template(node, "f")
        self.assertEqual(len(images(node)), 2, "the zip and the template")
        # Walls may stand ready for the next clone.
        eventually(lambda: len(list((node.data / "instances").iterdir())) <= len(node.ps()) + 1,
                   what="the baker's end")

    def next_one(self, node):
        """The clone that stands ready and is not listed: its id and its process."""
        seen = []

        def look():  # twice the same, for the node has to hear of it, too
            known = [row["instance"] for row in node.ps()]
            for folder in (node.data / "instances").iterdir():
                pids = [] if folder.name in known else node.cgroup_pids(folder.name)
                seen.extend((folder.name, pid) for pid in set(pids) if is_held(pid))
            return seen[-1] if len(set(seen[-3:])) == 1 and len(seen) >= 3 else None
        return eventually(look, what="the next clone")

    def test_the_next_one_stands_ready(self):
        node = self.node_with_template()
        instance, _ = self.next_one(node)
        harness.say(f"it holds {node.cgroup_memory(instance)} bytes")
        self.assertNotIn("after the restore", node.ok("logs", "f"), "it has run already")
        answer = node.invoke("f")
        self.assertEqual((answer["init"], answer["hooks"]), ("snap-start", ["before", "after"]))
        self.assertEqual(answer["host"], instance)
        self.assertEqual(answer["log_stream"], [instance, instance])

    def test_the_next_one_is_killed(self):
        node = self.node_with_template()
        _, pid = self.next_one(node)
        os.kill(pid, signal.SIGKILL)
        self.assertEqual(node.invoke("f")["init"], "on-demand")
        self.assertIn("none: ", template_of(node, "f"))

    def test_a_restart_keeps_it(self):
        node = self.node_with_template()
        node.kill9()
        node.start()
        self.assertEqual(status_of(node, "f"), "On")
        self.assertEqual(node.invoke("f")["init"], "snap-start")

    def test_another_image_in_its_place(self):
        node = self.node_with_template()
        node.kill9()
        largest = max(images(node), key=lambda path: path.stat().st_size)
        content = bytearray(largest.read_bytes())
        content[len(content) // 2] ^= 1
        largest.write_bytes(content)
        node.start()
        self.assertEqual(node.invoke("f")["init"], "on-demand", "it starts plainly")
        self.assertIn("is dropped: a clone did not start", node.log())
        self.assertIn("none: ", template_of(node, "f"))
        eventually(lambda: not largest.exists(), what="the end of the image")

    @unittest.skipUnless(harness.FAULTS, "a build without fault points")
    def test_killed_while_it_is_made(self):
        for point in (201, 204, 206, 501, 502):
            with self.subTest(point), harness.Node("--idle-after", "1h") as node:
                node.stop()
                node.start(fault=f"{point}:kill")
                node.deploy("f", "template")
                request = node.submit("f")
                node.died()
                node.start()
                self.assertEqual(node.result(request)["status"], "SUCCEEDED")
                self.check_whole(node)

    @unittest.skipUnless(harness.FAULTS, "a build without fault points")
    def test_killed_while_it_is_dropped_or_cloned(self):
        for point in (503, 505, 506):
            with self.subTest(point):
                node = self.node_with_template()
                node.stop()
                node.start(fault=f"{point}:kill")
                if point == 503:
                    node.godwit("deploy", harness.FUNCTIONS / "template", "--name", "f",
                                "--timeout", "9")
                    request = None
                else:
                    request = node.submit("f")
                node.died()
                node.start()
                if request:
                    self.assertEqual(node.result(request)["status"], "SUCCEEDED")
                self.check_whole(node)

    @unittest.skipUnless(harness.FAULTS, "a build without fault points")
    def test_the_image_of_somebody_else(self):
        node = self.node_with_template()
        node.stop()
        node.start(fault="504:fail")
        self.assertEqual(node.invoke("f")["init"], "on-demand")
        self.assertIn("is not that of the template", node.log())


if __name__ == "__main__":
    harness.main()
