"""Every verb of the command line with a real node: what it prints, for people and as JSON."""
import json
import re

import harness

REQUEST = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"


class Session(harness.NodeCase):

    def test_from_deploy_to_rm(self):
        node = self.node
        self.assertEqual(node.json("list"), [])
        self.assertEqual(node.godwit("list").code, 0)
        self.assertEqual(node.json("ps"), [])

        made = node.json("deploy", harness.FUNCTIONS / "echo", "--timeout", "5", "--memory", "256",
                         "--env", "GREETING=hello")
        self.assertLessEqual({"FunctionArn", "CodeSha256", "RevisionId"}, set(made))
        self.assertEqual((made["FunctionName"], made["Timeout"], made["MemorySize"],
                          made["Handler"], made["Environment"]),
                         ("echo", 5, 256, "handler.handler", {"Variables": {"GREETING": "hello"}}))
        again = node.ok("deploy", harness.FUNCTIONS / "echo", "--timeout", "6")
        self.assertRegex(again, r"^echo updated: python3, handler\.handler, .* of code$")
        (listed,) = node.json("list")
        self.assertEqual((listed["FunctionName"], listed["Timeout"], listed["MemorySize"]),
                         ("echo", 6, 256))
        self.assertRegex(node.ok("list"), r"(?m)^echo +python3 ")

        answer = node.json("invoke", "echo", '{"n": 1}', "--tail")
        self.assertRegex(answer["request_id"], REQUEST)
        self.assertEqual((answer["status_code"], answer["executed_version"],
                          answer["function_error"], answer["payload"]["event"],
                          answer["payload"]["greeting"]),
                         (200, "$LATEST", None, {"n": 1}, "hello"))
        self.assertIn("echo was called by " + answer["request_id"], answer["log_tail"])
        self.assertEqual(json.loads(node.godwit("invoke", "echo").out)["event"], {})
        file = node.home / "event.json"
        file.write_text('{"from": "a file"}', encoding="ascii")
        self.assertEqual(json.loads(node.ok("invoke", "echo", f"@{file}"))["event"],
                         {"from": "a file"})
        self.assertEqual(json.loads(node.ok("invoke", "echo", "-", input="[1]"))["event"], [1])

        log = node.json("logs", "echo")
        self.assertEqual((log["function"], log["log"].count("echo was called by")), ("echo", 4))
        self.assertEqual(node.json("version")["version"], node.ok("version").split()[-1])
        removed = node.godwit("rm", "echo", "--json")
        self.assertEqual(removed.code, 0, removed.err)
        json.loads(removed.out)
        self.assertEqual(node.json("list"), [])
        self.check_error(node.godwit("logs", "echo"), 3, "echo")


class Verbs(harness.NodeCase):

    flags = ("--blocked-after", "300ms")

    def keys(self, value, *names):
        self.assertLessEqual(set(names), set(value), value)

    def test_a_call_at_the_side(self):
        node = self.node
        node.deploy("sleeps", "misfits", "handler.sleeps")
        request = node.ok("invoke", "sleeps", '{"seconds": 5}', "--async")
        self.assertRegex(request, REQUEST)
        early = node.godwit("result", request)
        self.assertEqual((early.code, early.out in ("QUEUED\n", "RUNNING\n")), (0, True))
        row = node.wait_for(function="sleeps", state="SUSPENDED")
        self.keys(row, "instance", "function", "state", "request_id", "memory_bytes", "image_bytes",
                  "wakes_at", "reason")
        self.assertEqual(row["request_id"], request)
        self.assertEqual([one for one in node.json("ps") if one["function"] == "sleeps"], [row])
        table = node.ok("ps").splitlines()
        self.assertEqual(table[0].split(), ["INSTANCE", "FUNCTION", "STATE", "MEMORY", "IMAGE",
                                            "WAKES", "REQUEST", "REASON"])
        self.assertIn(f"{row['instance']}  sleeps", "\n".join(table))
        running = node.json("result", request)
        self.assertEqual((running["status"], running["instance"], running["result"]),
                         ("RUNNING", row["instance"], None))
        record = node.json("result", request, "--wait")
        self.assertEqual((record["id"], record["function"], record["kind"], record["status"],
                          record["result"], record["function_error"]),
                         (request, "sleeps", "Event", "SUCCEEDED", "slept", None))
        self.assertEqual(node.ok("result", request), '"slept"')
        status, _, body = node.request("GET", f"/godwit/v1/invocations/{request}")
        self.assertEqual((status, json.loads(body)), (200, record))

        failed = node.json("invoke", "sleeps", "{}", "--async")["request_id"]
        done = node.godwit("result", failed, "--wait")
        self.check_error(done, 1, "sleeps")
        self.assertEqual(json.loads(done.out)["errorType"], "KeyError")

    def test_suspend_and_resume(self):
        node = self.node
        node.deploy("moves", "misfits", "handler.counts")
        node.invoke("moves")
        instance = node.wait_for(function="moves", state="READY")["instance"]
        away = node.json("suspend", instance)
        self.assertEqual((away["instance"]["state"], away["instance"]["reason"],
                          away["memory_after"]), ("SUSPENDED", "by hand", 0))
        self.assertGreater(away["memory_before"], 1_000_000)
        self.assertGreater(away["took_us"], 0)
        self.check_error(node.godwit("suspend", instance), 7, "SUSPENDED")
        back = node.godwit("resume", instance)
        self.assertRegex(back.out, rf"^{instance}  READY  memory 0 B -> .* in .*\n$")
        self.assertEqual(node.invoke("moves"), 2)

        def moves():
            status, _, body = node.request("GET", f"/godwit/v1/instances/{instance}")
            self.assertEqual(status, 200)
            states = [move["to"] for move in json.loads(body)["history"]]
            # Of flips between READY and BUSY within a moment only the last is told.
            return " ".join(state for state in states if state != "BUSY")
        # A moment later all are told.
        harness.eventually(lambda: "READY SUSPENDED RESUMING READY" in moves(), 10, "its history")

    def test_doctor(self):
        node = self.node
        # A node that has just begun still looks.
        harness.eventually(lambda: "CRIU" in node.ok("doctor", quiet=True), what="its features")
        table = node.ok("doctor")
        for feature in ("CRIU", "control groups", "root", "python3", "nodejs"):
            self.assertIn(feature.lower(), table.lower())
        told = node.json("doctor")
        self.keys(told, "version", "features", "instances", "rss_bytes", "uptime_ms")
        for feature in told["features"]:
            self.keys(feature, "name", "present", "detail", "cost")
        node.deploy("well", "misfits", "handler.counts")
        instance = node.invoke("well") and node.ps(function="well")[0]["instance"]
        self.assertRegex(node.ok("doctor", "well"),
                         r"(?s)^well will checkpoint\nTIER .*\nFROZEN +works.*\nSPILLED +works.*\n"
                         r"SUSPENDED +works.*\n  its call: answered 1 in .*\n"
                         r"  tried on i-[0-9a-f]+, an instance of its own, after its call, .*\n"
                         r"  template: .*$")
        told = node.json("doctor", "well")
        self.keys(told, "function", "instance", "checkpoints", "waited", "tiers", "obstacles",
                  "template", "call")
        self.assertEqual((told["checkpoints"], told["obstacles"]), (True, []))
        for tier in told["tiers"]:
            self.keys(tier, "tier", "result", "state", "reason", "took_us", "back_us",
                      "memory_before", "memory_after", "image_bytes")
        # Nobody's instance has been disturbed.
        self.assertEqual((node.invoke("well"), node.ps(function="well")[0]["instance"]),
                         (2, instance))
        # What stands in the way is there only while a call waits.
        node.deploy("odd", "oddities", "handler.handler", timeout=60)
        done = node.godwit("doctor", "odd", "--event",
                           json.dumps({"what": "unaccepted_connection", "seconds": 4}))
        self.check_error(done, 4, "obstacle")
        self.assertRegex(done.out, r"(?m)^  obstacle: descriptor \d+ of process .*\n       fix: ")
        self.assertRegex(done.out, r"(?m)^  tried on i-[0-9a-f]+, .*, while its call waited$")
        # Without a node it looks at this machine.
        alone = harness.run([harness.binary(), "doctor", "--endpoint", "http://127.0.0.1:1"])
        self.assertEqual(alone.code, 0, alone.err)
        self.assertIn("root", alone.out)

    def test_logs_follow(self):
        node = self.node
        node.deploy("talks", "marks", "handler.sleep")
        node.invoke("talks", {"name": "first", "seconds": 0})
        with node.following("talks") as lines:
            self.assertEqual([next(lines) for _ in range(2)], ["begun first\n", "ended first\n"])
            node.invoke("talks", {"name": "second", "seconds": 0})
            self.assertEqual([next(lines) for _ in range(2)],
                             ["begun second\n", "ended second\n"])

    def test_logs_of_several_instances(self):
        """The newest last, whoever wrote it; who follows gets each line once."""
        node = self.node
        node.deploy("many", "marks", "handler.sleep")
        with node.following("many", "--bytes", "0") as lines:
            first = [node.later("invoke", "many", json.dumps({"name": name, "seconds": 2}))
                     for name in ("A", "B")]
            self.assertEqual([call.result().code for call in first], [0, 0])
            self.assertEqual(len(node.ps(function="many")), 2)
            for name in "CDEF":
                node.invoke("many", {"name": name, "seconds": 0})
            wanted = [f"{did} {name}\n" for name in "CDEF" for did in ("begun", "ended")]
            seen = [next(lines) for _ in range(12)]
            self.assertEqual(sorted(seen[:4]),
                             ["begun A\n", "begun B\n", "ended A\n", "ended B\n"])
            self.assertEqual(seen[4:], wanted)
            self.assertEqual(node.godwit("logs", "many").out, "".join(seen))
            # Where they were put away and came back, or were replaced, nothing is told twice.
            for row in node.ps(function="many"):
                if row["state"] == "READY":
                    node.ok("suspend", row["instance"])
            node.deploy("many", "marks", "handler.sleep")
            node.invoke("many", {"name": "G", "seconds": 0})
            self.assertEqual([next(lines) for _ in range(2)], ["begun G\n", "ended G\n"])
        node.kill9()
        node.start()
        self.assertEqual(node.godwit("logs", "many").out,
                         "".join(seen) + "begun G\nended G\n")

    def test_following_much(self):
        node = self.node
        node.deploy("babbles", "misfits", "handler.babbles")
        with node.following("babbles", "--bytes", "0") as lines:
            node.invoke("babbles", {"lines": 30_000})
            for number in range(30_000):
                self.assertEqual(next(lines), f"this is line {number} of many\n")

    def test_what_the_platform_says_of_a_call(self):
        node = self.node
        node.deploy("naps", "misfits", "handler.sleeps", timeout=60)
        tail = node.json("invoke", "naps", '{"seconds": 0}', "--tail")
        request = tail["request_id"]
        self.assertRegex(
            tail["log_tail"],
            rf"^START RequestId: {request} Version: \$LATEST\nEND RequestId: {request}\n"
            rf"REPORT RequestId: {request}\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\t"
            r"Memory Size: 128 MB\tMax Memory Used: \d+ MB\n$")
        tail = node.json("invoke", "naps", '{"seconds": 4}', "--tail")["log_tail"]
        awake, away = (float(re.search(rf"\t{what}: (\S+) ms", tail).group(1))
                       for what in ("Duration", "Put Away Duration"))
        self.assertGreater(awake + away, 4000)
        self.assertLess(awake, 2000)
        # Of calls that end as the function wants it the log has the function's own words alone.
        self.assertEqual(node.godwit("logs", "naps").out, "")
        node.deploy("spins", "misfits", "handler.spins", timeout=1)
        done = json.loads(node.godwit("invoke", "spins", '{"seconds": 30}', "--json").out)
        request = done["request_id"]
        self.assertRegex(node.godwit("logs", "spins").out,
                         rf"(?m)^\S+Z {request} Task timed out after 1.00 seconds\n"
                         rf"END RequestId: {request}\n"
                         rf"REPORT RequestId: {request}\tDuration: 1\d{{3}}")
        node.deploy("exits", "misfits", "handler.leaves")
        node.godwit("invoke", "exits")
        self.assertRegex(node.godwit("logs", "exits").out,
                         r"(?m)^RequestId: \S+ Error: Runtime exited with error: exit status \d+\n"
                         r"Runtime\.ExitError\nEND RequestId: ")
        node.deploy("init-exit")
        node.godwit("invoke", "init-exit")
        self.assertRegex(node.godwit("logs", "init-exit").out,
                         r"Runtime exited with error: exit status 7\nINIT_REPORT Init Duration: .*"
                         r"\tStatus: error\tError Type: Runtime.ExitError\n$")

    def test_help(self):
        """Each verb has its help, with an example, on standard output."""
        verbs = [line.split()[0] for line in self.node.ok("--help").splitlines()
                 if line.startswith("  ") and line[2:3].isalpha()]
        self.assertLessEqual({"node", "deploy", "list", "rm", "invoke", "result", "ps", "logs",
                              "suspend", "resume", "doctor", "version"}, set(verbs))
        for verb in ("node", "deploy", "list", "rm", "invoke", "result", "ps", "logs", "suspend",
                     "resume", "doctor", "version"):
            done = self.node.godwit(verb, "--help", quiet=True)
            self.assertEqual((done.code, done.err), (0, ""))
            self.assertIn("Example:", done.out)
            self.assertIn("--json", done.out)

    def test_another_place_to_listen(self):
        """A unix socket is an endpoint as well."""
        path = self.node.home / "socket"
        node = harness.Node()
        self.addCleanup(node.close)
        node.launch(listen=f"unix:{path}")
        harness.eventually(path.exists, what="the socket")
        done = harness.run([harness.binary(), "list", "--json", "--endpoint", f"unix:{path}"])
        self.assertEqual((done.code, json.loads(done.out)), (0, []))
        self.check_error(harness.run([harness.binary(), "list", "--endpoint", "unix:/nowhere"]), 13,
                         "/nowhere", "godwit node")


if __name__ == "__main__":
    harness.main()
