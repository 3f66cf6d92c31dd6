"""Memory that comes after its process runs: all of it, right, however it is used meanwhile."""
import json
import os
import random
import unittest

import harness

PAGES = 12 << 10  # 48 MiB: more than stays open
TOUCHED = 20


class LateMemory(unittest.TestCase):

    def filled(self, node):
        """The instance of a function whose heap is full."""
        node.deploy("heap", memory=512, timeout=60)
        self.assertEqual(node.invoke("heap", {"what": "fill", "pages": PAGES}), PAGES)
        instance = node.ps(function="heap")[0]["instance"]
        node.ok("suspend", instance)
        return instance

    def test_every_page_is_right_at_once_and_later(self):
        with harness.Node("--keep-awake").start() as node:
            instance = self.filled(node)
            for what in ("look", "fork", "move", "drop", "check"):
                numbers = [random.randrange(PAGES) for _ in range(TOUCHED)]
                event = {"what": what, "numbers": numbers}
                self.assertIn(node.invoke("heap", event), ([], 0), what)
                # At once: what has not come yet must be in the next image all the same.
                node.ok("suspend", instance)
                self.assertEqual(node.invoke("heap", {"what": "check"}), [], what)
                node.ok("suspend", instance)

    def test_the_tree_of_a_fork_comes_back_whole(self):
        with harness.Node("--keep-awake").start() as node:
            instance = self.filled(node)
            for _ in range(3):
                node.ok("resume", instance)
                node.ok("suspend", instance)
            self.assertEqual(node.invoke("heap", {"what": "fork"}), 0)

    def test_nobody_outlives_a_node_that_still_owes_memory(self):
        with harness.Node("--keep-awake").start() as node:
            instance = self.filled(node)
            node.ok("resume", instance)
            pid = node.ps(function="heap")[0]["pid"]
            node.kill9()
            harness.eventually(lambda: not os.path.exists(f"/proc/{pid}"), 10, "its process to end")
            node.start()
            self.assertEqual(node.invoke("heap", {"what": "check"}), "empty")

    def test_a_page_that_cannot_be_read_ends_the_instance(self):
        with harness.Node("--keep-awake").start() as node:
            instance = self.filled(node)
            blob = max((path for path in (node.data / "blobs").rglob("*") if path.is_file()),
                       key=lambda path: path.stat().st_size)
            with open(blob, "r+b") as file:
                file.seek(blob.stat().st_size * 3 // 4)
                byte = file.read(1)
                file.seek(-1, os.SEEK_CUR)
                file.write(bytes([byte[0] ^ 1]))
            done = node.godwit("invoke", "heap", '{"what":"check"}')
            # What is found before the instance has the call: another one does it.
            if done.code == 0:
                self.assertEqual(json.loads(done.out), "empty")
            else:
                self.assertIn("image is broken", done.out + done.err)
            self.assertIn("image is broken", node.log())
            self.assertEqual(node.invoke("heap", {"what": "check"}), "empty")
            harness.eventually(lambda: not node.ps(instance=instance), 10, "its end")


if __name__ == "__main__":
    harness.main()
