"""The life of an instance as its user sees it: started, reused, put away, brought back, ended."""
import base64
import concurrent.futures as futures
import io
import json
import shutil
import time
import unittest
import zipfile

import harness


class Calls(harness.NodeCase):
    """One node on which idle instances, and calls that wait, are put away soon."""

    flags = ("--idle-after", "500ms", "--blocked-after", "300ms")

    def fails_with(self, function, kind, message, event=None):
        done = self.node.godwit("invoke", function, json.dumps(event or {}))
        self.check_error(done, 1, kind)
        error = json.loads(done.out)
        self.assertEqual(error["errorType"], kind)
        self.assertRegex(error["errorMessage"], f"^RequestId: [0-9a-f-]{{36}} Error: {message}$")

    def test_an_idle_instance_is_put_away_and_keeps_its_state(self):
        node = self.node
        node.ok("deploy", harness.EXAMPLES / "counter-node")
        for call in (1, 2, 3):
            self.assertEqual(node.invoke("counter-node")["call"], call)
            row = node.wait_for(function="counter-node", state="SUSPENDED")
            self.assertEqual((row["reason"], row["memory_bytes"], row["pid"], row["request_id"]),
                             ("idle", 0, 0, None))
        self.assertEqual(len(node.ps(function="counter-node")), 1)

    def test_calls_at_the_same_time_get_instances_of_their_own(self):
        node = self.node
        node.deploy("counts", "misfits", "handler.sleeps")
        calls = [node.later("invoke", "counts", '{"seconds": 2}') for _ in range(3)]
        node.wait_for(function="counts", state="SUSPENDED", count=3)
        self.assertEqual([call.result().out for call in calls], ['"slept"\n'] * 3)

    def test_by_hand(self):
        """`suspend` in the middle of a call, `resume` before its time: it sleeps on."""
        node = self.node
        node.deploy("by-hand", "waits", "handler.sleep")
        call = node.later("invoke", "by-hand", '{"seconds": 6}')
        instance = node.wait_for(function="by-hand", state="SUSPENDED")["instance"]
        resumed = node.json("resume", instance)
        self.assertEqual(resumed["instance"]["state"], "BUSY")
        self.assertGreater(resumed["memory_after"], 1_000_000)
        again = node.godwit("resume", instance)
        self.check_error(again, 7, instance, "BUSY")
        done = node.godwit("suspend", instance)
        self.assertEqual(done.code, 0, done.err)
        self.assertRegex(done.out, rf"^{instance}  SUSPENDED  memory .* -> 0 B  image .* in .*\n$")
        answer = json.loads(call.result().out)
        slept = answer["awake"] - answer["asleep"]
        self.assertGreaterEqual(slept, 6)
        self.assertLess(slept, 8)

    def test_the_timeout_counts_time_awake(self):
        node = self.node
        node.deploy("short", "misfits", "handler.tells_time_left", timeout=2)
        node.deploy("spins", "misfits", "handler.spins", timeout=2)
        asleep = node.later("invoke", "short", '{"seconds": 8}')
        self.fails_with("spins", "Sandbox.Timedout", "Task timed out after 2.00 seconds",
                        {"seconds": 30})
        done = asleep.result()
        self.assertEqual(done.code, 0, done)
        left = json.loads(done.out)
        self.assertLessEqual(left["after"], left["before"])
        self.assertGreater(left["after"], 0)
        # An instance that timed out is gone; the next call gets a new one.
        self.assertEqual(node.invoke("short", {"seconds": 0})["after"] > 0, True)
        harness.eventually(lambda: not node.ps(function="spins"), what="the end of the spinner")

    def test_time_that_runs_on_after_the_answer(self):
        """A runtime that answers and asks for no other call is ended in time all the same."""
        node = self.node
        node.deploy("lingers", "misfits", "handler.lingers", timeout=2)
        self.assertEqual(node.invoke("lingers"), "early")
        harness.eventually(lambda: not node.ps(function="lingers"), 20, "the end of the lingerer")

    def test_a_function_that_stops_criu(self):
        node = self.node
        node.deploy("stops", "misfits", "handler.stops_others", timeout=60)
        call = node.later("invoke", "stops", '{"seconds": 6}')
        node.wait_for(function="stops", state="SUSPENDED", within=90)
        self.assertEqual(call.result().out, '"slept"\n')

    def test_functions_that_end(self):
        node = self.node
        ends = {"exits": ("Runtime.ExitError", "exit status 3"),
                "leaves": ("Runtime.ExitError", "exit status 1"),
                "is_killed": ("Runtime.ExitError", "signal: killed"),
                "crashes": ("Runtime.ExitError", "signal: .*[Ss]egmentation.*"),
                "eats": ("Runtime.OutOfMemory", "signal: killed")}
        for handler, (kind, how) in ends.items():
            name = handler.replace("_", "-")
            with self.subTest(name):
                node.deploy(name, "misfits", f"handler.{handler}")
                self.fails_with(name, kind, f"Runtime exited with error: {how}")
        node.deploy("init-exit")
        self.fails_with("init-exit", "Runtime.ExitError",
                        "Runtime exited with error: exit status 7")
        log = harness.eventually(lambda: node.godwit("logs", "init-exit").out)
        self.assertIn("about to end", log)
        # What ended takes nobody with it.
        node.deploy("after-all", "misfits", "handler.sleeps")
        self.assertEqual(node.invoke("after-all", {"seconds": 0}), "slept")

    def test_functions_that_fail_after_a_suspension(self):
        """An error after a suspension is told as one before it."""
        node = self.node
        node.deploy("late", "misfits", "handler.sleeps_and_fails")
        done = node.godwit("invoke", "late", '{"seconds": 2}')
        self.check_error(done, 1, "ValueError")
        error = json.loads(done.out)
        self.assertEqual((error["errorType"], error["errorMessage"]), ("ValueError", "after 2 s"))
        self.assertIn("handler.py", error["stackTrace"][0])
        done = node.godwit("invoke", "late", '{"seconds": 2, "exit": true}')
        self.check_error(done, 1, "Runtime.ExitError", "exit status 9")

    def test_logs_survive_a_suspension(self):
        node = self.node
        node.deploy("talks", "marks", "handler.sleep")
        done = node.godwit("invoke", "talks", '{"name": "this", "seconds": 3}', "--tail")
        self.assertIn("begun this\nended this\n", done.err)
        self.assertEqual(node.godwit("logs", "talks").out, "begun this\nended this\n")
        node.wait_for(function="talks", state="SUSPENDED", reason="idle")
        self.assertEqual(node.godwit("logs", "talks").out, "begun this\nended this\n")
        node.invoke("talks", {"name": "that", "seconds": 0})
        self.assertEqual(node.godwit("logs", "talks").out,
                         "begun this\nended this\nbegun that\nended that\n")
        self.assertEqual(node.godwit("logs", "talks", "--bytes", "11").out, "ended that\n")
        # What it wrote outlives it.
        instance = node.ps(function="talks")[0]["instance"]
        node.deploy("talks", "marks", "handler.sleep")
        harness.eventually(lambda: not [row for row in node.ps(function="talks")
                                        if row["instance"] == instance], what="its end")
        self.assertIn("ended that\n", node.godwit("logs", "talks").out)

    def test_what_cannot_be_put_away_goes_on(self):
        """A connection that nobody has accepted: CRIU refuses, and all who ask are told."""
        node = self.node
        node.deploy("odd", "oddities", "handler.handler", timeout=60)
        what = "unaccepted_connection"
        call = node.later("invoke", "odd", json.dumps({"what": what, "seconds": 5}))
        row = harness.eventually(
            lambda: next((row for row in node.ps(function="odd")
                          if "not put away" in row["reason"]), None), what="a refused suspension")
        self.assertIn(row["state"], ("BLOCKED", "BUSY"))
        self.assertRegex(row["reason"], r"descriptor \d+ of process \d+ \(python3\): .*"
                                        "In-flight connection")
        node.godwit("ps")
        self.check_error(node.godwit("suspend", row["instance"]), 4, "In-flight connection")
        told = node.godwit("doctor", "odd", "--event", json.dumps({"what": what, "seconds": 3}))
        self.check_error(told, 4, "1 obstacle")
        self.assertIn("In-flight connection", told.out)
        done = call.result()
        self.assertEqual((done.code, json.loads(done.out)), (0, {"right": True}))
        self.assertIn("In-flight connection", node.log())
        # The call has closed it, and so the idle instance can be put away.
        node.wait_for(function="odd", state="SUSPENDED", reason="idle", within=60)

    def test_new_code_and_removal(self):
        node = self.node
        node.deploy("changes", "misfits", "handler.counts")
        self.assertEqual([node.invoke("changes") for _ in range(2)], [1, 2])
        node.wait_for(function="changes", state="SUSPENDED")
        # New settings mean a new instance, and so a new count.
        node.deploy("changes", "misfits", "handler.counts", memory=256)
        self.assertEqual(node.invoke("changes"), 1)
        node.deploy("changes", "misfits", "handler.sleeps")
        call = node.later("invoke", "changes", '{"seconds": 30}')
        node.wait_for(function="changes", state="SUSPENDED", reason="its call waits")
        node.ok("rm", "changes")
        self.check_error(call.result(timeout=20), 3, "deleted")
        harness.eventually(lambda: not node.ps(function="changes"), what="the end of its instance")
        self.check_error(node.godwit("invoke", "changes"), 3, "changes")


class Queue(harness.NodeCase):

    flags = ("--max-instances", "1", "--max-queue", "1", "--blocked-after", "300ms")

    def test_one_too_many(self):
        node = self.node
        node.deploy("narrow", "misfits", "handler.sleeps")
        first = node.later("invoke", "narrow", '{"seconds": 4}')
        node.wait_for(function="narrow", state="SUSPENDED")
        second = node.submit("narrow", {"seconds": 0})
        status, headers, body = node.request(
            "POST", "/2015-03-31/functions/narrow/invocations", '{"seconds": 0}',
            {"X-Amz-Invocation-Type": "Event"})
        error = json.loads(body)
        self.assertEqual(status, 429)
        self.assertEqual(headers["x-amzn-ErrorType"], "TooManyRequestsException")
        self.assertTrue(int(headers["Retry-After"]) > 0)
        self.assertTrue(error["message"])
        self.check_error(node.godwit("invoke", "narrow", '{"seconds": 0}'), 9, "narrow")
        self.assertEqual(first.result().out, '"slept"\n')
        self.assertEqual(node.result(second)["result"], "slept")
        self.assertEqual(node.invoke("narrow", {"seconds": 0}), "slept")


class Store(unittest.TestCase):

    def test_what_is_removed_leaves_nothing(self):
        def files(node):
            return {path.relative_to(node.data) for folder in ("blobs", "code", "instances")
                    for path in (node.data / folder).rglob("*") if path.is_file()}
        with harness.Node("--blocked-after", "300ms", "--idle-after", "300ms").start() as node:
            before = files(node)
            node.deploy("goes", "misfits", "handler.sleeps")
            call = node.later("invoke", "goes", '{"seconds": 60}')
            node.wait_for(state="SUSPENDED")
            node.deploy("goes", "echo", "handler.handler")
            node.invoke("goes")
            node.wait_for(state="SUSPENDED", count=2)
            self.assertGreater(len(files(node) - before), 3)
            node.ok("rm", "goes")
            self.assertEqual(call.result().code, 3)
            harness.eventually(lambda: not node.ps(), what="the end of the instances")
            left = harness.last(lambda: (files(node) - before, files(node) == before), 5)
            self.assertEqual(left, set())

    def test_removed_and_deployed_again_at_once(self):
        """Code that is on its way out is there again, whole, when the second deploy is told so."""
        files = 1500
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as pack:
            pack.write(harness.FUNCTIONS / "echo" / "handler.py", "handler.py")
            for number in range(files):
                pack.writestr(f"file{number}", str(number))
        body = json.dumps({"FunctionName": "again", "Runtime": "python3",
                           "Handler": "handler.handler", "Role": "arn:aws:iam::000000000000:role/r",
                           "Code": {"ZipFile": base64.b64encode(content.getvalue()).decode()}})
        path = "/2015-03-31/functions"
        with harness.Node().start() as node:
            self.assertEqual(node.request("POST", path, body)[0], 201)
            (code,) = (node.data / "code").iterdir()
            for turn in range(6):
                self.assertEqual(node.request("DELETE", path + "/again")[0], 204)
                time.sleep(0.025 * turn)  # unused code is looked for ten times a second
                self.assertEqual(node.request("POST", path, body)[0], 201)
                time.sleep(0.1)  # a look at unused code comes, and must find none
                self.assertEqual(len(list(code.iterdir())), files + 1)
            self.assertEqual(node.invoke("again", {"n": 1}, quiet=True)["event"], {"n": 1})
            node.kill9()
            shutil.rmtree(code)
            node.start()  # from its zip
            self.assertEqual(node.invoke("again", {"n": 1}, quiet=True)["event"], {"n": 1})

    def test_changes_of_one_function_at_once(self):
        """Whatever order they come in: who deletes it is the last."""
        with harness.Node().start() as node, futures.ThreadPoolExecutor(6) as crowd:
            path = "/2015-03-31/functions/crowded"

            def change(method):
                if method == "DELETE":
                    return node.request("DELETE", path)[0]
                body = json.dumps({"Description": "x" * 200})
                return node.request("PUT", path + "/configuration", body)[0]
            for _ in range(40):
                node.deploy("crowded", "echo", "handler.handler")
                answers = list(crowd.map(change, ["DELETE"] + ["PUT"] * 5))
                self.assertEqual(answers[0], 204)
                self.assertLessEqual(set(answers[1:]), {200, 404})
                self.assertEqual(node.json("list"), [])
            node.kill9()
            node.start()
            self.assertEqual(node.json("list"), [])


if __name__ == "__main__":
    harness.main()
