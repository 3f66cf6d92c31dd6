"""Functions that hold something odd while they wait: carried over, or refused, but never harmed."""
import unittest

import harness

# What CRIU does not take, or what is not in the image: these are SPILLED; `ps` says why.
REFUSED = {
    "sysv_shared_memory": "System V",
    "sysv_semaphore": "System V",
    "unaccepted_connection": "In-flight connection",
    "daemon": "process",
}


class Oddities(unittest.TestCase):

    def submit_all(self, node, seconds):
        """One call of each kind; returns when each is put away, or has been refused."""
        node.deploy("kinds", "oddities", "handler.kinds")
        kinds = node.invoke("kinds")
        self.assertLessEqual(set(REFUSED), set(kinds))
        for kind in kinds:
            node.deploy(kind.replace("_", "-"), "oddities", "handler.handler", timeout=120)
        calls = {kind: node.submit(kind.replace("_", "-"), {"what": kind, "seconds": seconds})
                 for kind in kinds}
        rows = {}

        def settled():
            for row in node.ps():
                if row["state"] in ("SUSPENDED", "SPILLED"):
                    rows[row["function"].replace("-", "_")] = row
            return set(calls) <= set(rows)
        try:
            harness.eventually(settled, 60, "the rest of all")
        finally:
            node.godwit("ps")
        for kind, row in rows.items():
            with self.subTest(kind):
                if kind in REFUSED:
                    self.assertEqual(row["state"], "SPILLED", row["reason"])
                    self.assertIn(REFUSED[kind], row["reason"])
                    self.assertLess(row["memory_bytes"], row["image_bytes"], row)
                else:
                    self.assertEqual(row["state"], "SUSPENDED", row["reason"])
        return calls

    def check_all(self, node, calls, attempt_of_refused):
        for kind, request in calls.items():
            with self.subTest(kind):
                record = node.result(request)
                self.assertEqual((record["status"], record["result"]),
                                 ("SUCCEEDED", {"right": True}))
                self.assertEqual(record["attempt"], attempt_of_refused if kind in REFUSED else 1)

    def test_put_away_and_brought_back(self):
        with harness.Node("--blocked-after", "300ms").start() as node:
            self.check_all(node, self.submit_all(node, 15), 1)

    def test_brought_back_by_another_node(self):
        with harness.Node("--blocked-after", "300ms").start() as node:
            calls = self.submit_all(node, 45)
            # One whose timer went off meanwhile was back for a moment.
            harness.eventually(lambda: all(
                row["state"] in ("SUSPENDED", "SPILLED")
                for row in node.ps() if row["request_id"]), what="the rest of all at once")
            node.kill9()
            node.start()
            self.check_all(node, calls, 2)


if __name__ == "__main__":
    harness.main()
