"""A call that waits for a person or a program is put away, and a callback brings it back."""
import json
import re
import signal
import time
import unittest

import harness

NOBODY = "00000000-0000-4000-8000-000000000000"
SOON = 5.0  # seconds in which a crowded machine brings one back


class Waiting(harness.NodeCase):
    """One node on which a call that waits is put away soon."""

    flags = ("--blocked-after", "300ms")

    def put_away(self, function, event=None):
        """A call of it that waits on disk: its request id and its row of `ps`."""
        request = self.node.submit(function, event)
        return request, self.node.wait_for(request_id=request, state="SUSPENDED")

    def taken(self, request):
        record = self.node.result(request)
        self.assertEqual(record["status"], "SUCCEEDED", record)
        return record["result"]

    def test_put_away_and_brought_back(self):
        node = self.node
        node.deploy("person", "callbacks", "handler.take")
        request, row = self.put_away("person")
        node.godwit("ps")
        self.assertEqual((row["memory_bytes"], row["pid"], row["wakes_at"], row["reason"]),
                         (0, 0, None, "its call waits for a callback"))
        sent = time.time()
        done = node.godwit("callback", request, '{"approved": true, "by": "Zoë"}')
        self.assertEqual((done.code, done.out), (0, f"{request}  callback 0\n"))
        result = self.taken(request)
        self.assertEqual(result["taken"], [{"approved": True, "by": "Zoë"}])
        harness.say(f"taken {(result['at'] - sent) * 1000:.0f} ms after it was sent")
        self.assertLess(result["at"] - sent, SOON)
        path = f"/godwit/v1/instances/{row['instance']}"
        harness.eventually(lambda: "a callback came" in [  # its moves are written a little later
            move["reason"] for move in json.loads(node.request("GET", path)[2])["history"]])

    def test_a_synchronous_caller_gets_the_answer(self):
        node = self.node
        node.deploy("sync", "callbacks", "handler.take")
        caller = node.later("invoke", "sync", "{}")
        row = node.wait_for(function="sync", state="SUSPENDED")
        node.ok("callback", row["request_id"], '"yes"')
        self.assertEqual(json.loads(caller.result().out)["taken"], ["yes"])

    def test_before_the_function_waits(self):
        node = self.node
        node.deploy("early", "callbacks", "handler.take")
        request = node.submit("early", {"before": 1})
        self.assertEqual(node.json("callback", request, "[1, 2.0]"),
                         {"request_id": request, "number": 0})
        self.assertEqual(self.taken(request)["taken"], [[1, 2.0]])

    def test_several_in_a_row_and_again_and_again(self):
        node = self.node
        node.deploy("several", "callbacks", "handler.take")
        request, _ = self.put_away("several", {"count": 5})
        for number in range(3):
            self.assertEqual(node.json("callback", request, number)["number"], number)
        harness.eventually(lambda: "took 2" in node.ok("logs", "several", quiet=True))
        for number in (3, 4):
            node.wait_for(request_id=request, state="SUSPENDED")
            self.assertEqual(node.json("callback", request, number)["number"], number)
        self.assertEqual(self.taken(request)["taken"], [0, 1, 2, 3, 4])

    def test_sent_twice_with_one_key(self):
        node = self.node
        node.deploy("key", "callbacks", "handler.take")
        request, _ = self.put_away("key", {"count": 2})
        for payload in ("1", "1", "3"):
            self.assertEqual(node.json("callback", request, payload, "--key", "a b")["number"], 0)
        self.assertEqual(node.json("callback", request, "2", "--key", "c")["number"], 1)
        self.assertEqual(self.taken(request)["taken"], [1, 2])

    def test_on_the_way_to_disk(self):
        """Callbacks at every moment of a suspension: none is lost, and none waits."""
        node = self.node
        node.deploy("race", "callbacks", "handler.take")
        for milliseconds in range(0, 60, 3):
            request = node.submit("race")
            seen = "BUSY"
            while seen == "BUSY":
                seen = "".join(row["state"] for row in node.ps(request_id=request)) or "BUSY"
            time.sleep(milliseconds / 1000)  # not a wait for something, but the moment
            sent = time.time()
            status, *_ = node.request("POST", f"/godwit/v1/invocations/{request}/callback", "1")
            self.assertEqual(status, 202)
            took = self.taken(request)["at"] - sent
            harness.say(f"{milliseconds} ms after it was {seen}: taken {took * 1000:.0f} ms after "
                        f"it was sent")
            self.assertLess(took, SOON)

    def test_a_wait_that_ends_in_time(self):
        node = self.node
        node.deploy("limited", "callbacks", "handler.gives_up")
        request, row = self.put_away("limited", {"seconds": 5})
        self.assertTrue(row["wakes_at"])
        harness.eventually(lambda: "gave up" in node.ok("logs", "limited", quiet=True))
        node.wait_for(request_id=request, state="SUSPENDED")
        node.ok("callback", request, '"late"')
        result = self.taken(request)
        harness.say(f"gave up after {result['waited']:.4f} s of 5")
        self.assertGreater(result["waited"], 5 - 0.002)
        self.assertLess(result["waited"], 7)
        self.assertEqual(result["taken"], "late")

    def test_threads(self):
        node = self.node
        node.deploy("threads", "callbacks", "handler.threads")
        request, _ = self.put_away("threads", {"threads": 20})
        for number in range(20):
            node.ok("callback", request, number, quiet=True)
        self.assertEqual(self.taken(request)["taken"], list(range(20)))

    def test_a_wait_that_its_call_does_not_outlive(self):
        node = self.node
        node.deploy("leaves", "callbacks", "handler.leaves_one_waiting")
        self.assertEqual(node.invoke("leaves", {"wait": True}), [])
        self.assertEqual(harness.eventually(lambda: node.invoke("leaves")), ["the call has ended"])

    def test_nodejs(self):
        node = self.node
        for name in ("take", "together", "givesUp"):
            node.deploy(name, "callbacks-node", f"index.{name}")
        node.deploy("module", "callbacks-node", "module.take")
        one, _ = self.put_away("take", {"count": 2})
        both, _ = self.put_away("together", {"count": 2})
        module, _ = self.put_away("module")
        for request in (one, both, module):
            for payload in ('{"n": 1}', '"ü"'):
                node.ok("callback", request, payload)
            self.assertEqual(self.taken(request), {"taken": [{"n": 1}, "ü"]})
        late, row = self.put_away("givesUp", {"seconds": 4})
        self.assertTrue(row["wakes_at"])
        harness.eventually(lambda: not node.ps(request_id=late, wakes_at=row["wakes_at"]))
        node.wait_for(request_id=late, state="SUSPENDED", wakes_at=None)
        node.ok("callback", late, "null")
        result = self.taken(late)
        self.assertEqual((result["error"], result["taken"]), ("TimeoutError", None))
        self.assertGreater(result["waited"], 4 - 0.002)
        self.assertLess(result["waited"], 6)

    def test_errors(self):
        node = self.node
        node.deploy("errors", "callbacks", "handler.take")
        self.check_error(node.godwit("callback", NOBODY, "1"), 3, NOBODY)
        self.check_error(node.godwit("callback", "one", "1"), 2, "request id")
        request, _ = self.put_away("errors")
        self.check_error(node.godwit("callback", request, "yes"), 2, "not JSON")
        self.check_error(node.godwit("callback", request, "@/no/such/file"), 3, "/no/such/file")
        self.check_error(node.godwit("callback", request, "1", "--key", "k" * 129), 2, "128")
        path = f"/godwit/v1/invocations/{request}/callback"
        status, _, body = node.request("POST", path, json.dumps("x" * (1 << 20)))
        self.assertEqual((status, json.loads(body)["error"]["code"]), (413, "too_large"))
        status, _, body = node.request("POST", path, b"")
        self.assertEqual((status, json.loads(body)["error"]["code"]), (400, "invalid"))
        status, _, body = node.request("POST", path, json.dumps("x" * ((1 << 20) - 2)))
        self.assertEqual(status, 202)
        self.assertEqual(len(self.taken(request)["taken"][0]), (1 << 20) - 2)
        self.check_error(node.godwit("callback", request, "1"), 7, "has ended", "SUCCEEDED")


class Awake(harness.NodeCase):
    """One node on which nothing is put away."""

    flags = ("--keep-awake",)

    def test_a_synchronous_call_that_was_never_put_away(self):
        node = self.node
        node.deploy("awake", "callbacks", "handler.take")
        caller = node.later("invoke", "awake", "{}")
        row = node.wait_for(function="awake", state="BLOCKED")
        self.check_error(node.godwit("result", row["request_id"]), 3)
        node.ok("callback", row["request_id"], "7")
        self.assertEqual(json.loads(caller.result().out)["taken"], [7])
        self.assertEqual(node.result(row["request_id"])["result"]["taken"], [7])

    def test_more_than_a_thousand(self):
        node = self.node
        node.deploy("many", "callbacks", "handler.take", timeout=60)
        request = node.submit("many", {"before": 8, "count": 1001})
        path = f"/godwit/v1/invocations/{request}/callback"

        def send(_):
            return node.request("POST", path, "1")[0]
        with harness.concurrent.futures.ThreadPoolExecutor(16) as pool:
            statuses = list(pool.map(send, range(1001)))
        self.assertEqual({status: statuses.count(status) for status in set(statuses)},
                         {202: 1000, 429: 1})
        harness.eventually(lambda: node.request("POST", path, "2")[0] == 202)
        self.assertEqual(sum(node.result(request)["result"]["taken"]), 1002)


class Killed(unittest.TestCase):

    @unittest.skipUnless(harness.FAULTS, "this build has no fault points (the dev preset has)")
    def test_between_acceptance_and_delivery(self):
        with harness.Node("--blocked-after", "300ms").start(fault="103:kill") as node:
            node.deploy("person", "callbacks", "handler.take")
            request = node.submit("person")
            node.wait_for(state="SUSPENDED")
            sent = node.godwit("callback", request, '"kept"', "--key", "1")
            self.assertEqual(sent.code, 13, sent)
            self.assertEqual(node.died(), -signal.SIGKILL)
            node.start()
            record = node.result(request)
            self.assertEqual((record["status"], record["attempt"]), ("SUCCEEDED", 1), record)
            self.assertEqual(record["result"]["taken"], ["kept"])

    def test_while_it_is_awake(self):
        """Another attempt gets those that the first one had, and the rest."""
        with harness.Node("--keep-awake").start() as node:
            node.deploy("person", "callbacks", "handler.take")
            request = node.submit("person", {"count": 2})
            caller = node.later("invoke", "person", "{}")
            node.wait_for(function="person", state="BLOCKED", count=2)
            lost = next(row["request_id"] for row in node.ps() if row["request_id"] != request)
            node.ok("callback", request, '"first"', "--key", "1")
            harness.eventually(lambda: "took first" in node.ok("logs", "person", quiet=True))
            node.kill9()
            self.assertEqual(caller.result().code, 13)
            node.start()
            self.assertEqual(node.json("callback", request, '"first"', "--key", "1")["number"], 0)
            node.ok("callback", request, '"second"')
            record = node.result(request)
            self.assertEqual((record["status"], record["attempt"]), ("SUCCEEDED", 2), record)
            self.assertEqual(record["result"]["taken"], ["first", "second"])
            self.assertEqual(node.godwit("callback", lost, "1").code, 3)

    def test_while_it_is_put_away(self):
        with harness.Node("--blocked-after", "300ms").start() as node:
            node.deploy("person", "callbacks", "handler.take")
            request = node.submit("person", {"count": 2})
            node.wait_for(state="SUSPENDED")
            node.ok("callback", request, "1")
            harness.eventually(lambda: "took 1" in node.ok("logs", "person", quiet=True))
            node.wait_for(state="SUSPENDED")
            node.kill9()
            node.start()
            self.assertRegex(node.ok("ps"), re.escape(request))
            node.ok("callback", request, "2")
            record = node.result(request)
            self.assertEqual((record["status"], record["attempt"]), ("SUCCEEDED", 1), record)
            self.assertEqual(record["result"]["taken"], [1, 2])


if __name__ == "__main__":
    harness.main()
