"""Nodes that are a site: making one, letting nodes in, refusing them, leaving, evicting.

Two nodes on loopback ports and an etcd of the test's own.
"""
import base64
import json
import pathlib
import shutil
import signal
import socket
import subprocess
import time
import unittest
import urllib.request

import harness


def free_ports(count):
    """Ports of 127.0.0.1 that nobody had a moment ago."""
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()


class Etcd:
    """Debian's etcd, on ports and in a folder of its own."""

    def __init__(self):
        self.home = harness.new_home()
        client, peer = free_ports(2)
        self.url = f"etcd://127.0.0.1:{client}"
        mine, its = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
        with open(self.home / "etcd.log", "wb") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "etcd", "--name", "test",
                 "--data-dir", self.home / "etcd", "--listen-client-urls", mine,
                 "--advertise-client-urls", mine, "--listen-peer-urls", its,
                 "--initial-advertise-peer-urls", its, "--initial-cluster", f"test={its}"],
                stdout=log, stderr=log, env=harness.environment())

        def healthy():
            done = subprocess.run(["curl", "-s", mine + "/health"], capture_output=True,
                                  text=True, check=False)
            return "true" in done.stdout
        harness.eventually(healthy, 60, "etcd's health")

    def has(self, kind):
        """Whether some site has a key of this kind."""
        every = {"key": base64.b64encode(b"/godwit/").decode(),
                 "range_end": base64.b64encode(b"/godwit0").decode(), "keys_only": True}
        url = self.url.replace("etcd:", "http:") + "/v3/kv/range"
        with urllib.request.urlopen(url, json.dumps(every).encode()) as answer:
            keys = [base64.b64decode(each["key"]).decode()
                    for each in json.load(answer).get("kvs", [])]
        return any(f"/{kind}/" in key for key in keys)

    def close(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        shutil.rmtree(self.home)


class Sites(harness.Errors, unittest.TestCase):

    def setUp(self):
        self.etcd = Etcd()
        self.addCleanup(self.etcd.close)
        self.ports = free_ports(3)

    def node(self):
        node = harness.Node(*harness.PLAIN)
        self.addCleanup(node.close)
        return node

    def address(self, number):
        return f"127.0.0.1:{self.ports[number]}"

    def offline(self, node, *words):
        """A verb that works on the store."""
        return harness.run([harness.binary(), "site", *words, "--data", str(node.data)])

    def init(self, node, number=0, name="node-a", url=None):
        done = self.offline(node, "init", "--name", name, "--address", self.address(number),
                            "--coordinator", url or self.etcd.url, "--json")
        self.assertEqual(done.code, 0, done.err)
        return json.loads(done.out)

    def join(self, node, token, number=1, name="node-b", host=0):
        return self.offline(node, "join", token, self.address(host), "--name", name,
                            "--address", self.address(number))

    def names(self, node):
        return sorted(each["name"] for each in node.json("site", "list")["nodes"])

    def two(self):
        """A site of two nodes that run."""
        a, b = self.node(), self.node()
        made = self.init(a)
        a.start()
        joined = self.join(b, a.ok("site", "token"))
        self.assertEqual(joined.code, 0, joined.err)
        self.assertIn(made["site"], joined.out)
        b.start()
        return a, b

    def test_a_node_joins_is_listed_and_leaves(self):
        a, b = self.two()
        self.assertEqual(self.names(a), ["node-a", "node-b"])
        self.assertEqual(self.names(b), ["node-a", "node-b"])
        listed = {each["name"]: each for each in b.json("site", "list")["nodes"]}
        self.assertEqual(listed["node-a"]["address"], self.address(0))
        self.assertTrue(listed["node-b"]["self"])
        harness.eventually(lambda: all(each["alive"] for each in a.json("site", "list")["nodes"]),
                           what="both nodes' life")
        self.assertRegex(a.ok("site", "list"), r"(?m)^node-a \* +127\.0\.0\.1:")
        for file in pathlib.Path(b.data, "site").iterdir():
            self.assertEqual(file.stat().st_mode & 0o777, 0o600, file)
        # A restart is the same node. One that is away for longer has lost its lease.
        b.stop()
        harness.eventually(
            lambda: [each["alive"] for each in a.json("site", "list")["nodes"]] ==
            [True, False], what="the end of node-b's lease")
        b.start()
        self.assertEqual(self.names(b), ["node-a", "node-b"])
        self.check_error(self.offline(b, "join", a.ok("site", "token"), self.address(0), "--name",
                                      "node-c", "--address", self.address(2)), 7)
        b.ok("site", "leave")
        self.assertEqual(self.names(a), ["node-a"])
        self.assertFalse(pathlib.Path(b.data, "site").exists())
        b.stop()
        b.start()
        self.check_error(b.godwit("site", "list"), 3, "belongs to no site")
        b.stop()
        again = self.join(b, a.ok("site", "token"))
        self.assertEqual(again.code, 0, again.err)

    def test_tokens_that_let_nobody_in(self):
        a, b = self.node(), self.node()
        self.init(a)
        a.start()
        made = a.json("site", "token", "--ttl", "1s")
        ends = harness.seconds_of(made["ends_at"].replace("Z", "+00:00"))
        # The coordinator's lease says when, and etcd has a least time of its own.
        harness.eventually(lambda: time.time() > ends and not self.etcd.has("tokens"),
                           what="the token's end")
        self.check_error(self.join(b, made["token"]), 11, "has ended at", "godwit site token")
        whole = a.ok("site", "token")
        self.check_error(self.join(b, whole[:-2]), 2, "not whole")
        self.assertNotIn(whole[8:20], self.join(b, whole, name="No_Name").err)
        used = self.join(b, whole)
        self.assertEqual(used.code, 0, used.err)
        self.check_error(self.join(self.node(), whole, number=2, name="node-c"), 11, "been used")
        self.check_error(a.godwit("site", "token", "--ttl", "90d"), 2, "30 days")

    def test_a_token_of_another_site_and_a_name_that_is_taken(self):
        a, other, b = self.node(), self.node(), self.node()
        self.init(a)
        self.init(other, number=1)
        a.start()
        other.start()
        self.check_error(self.join(b, a.ok("site", "token"), number=2, host=1), 11,
                         "another authority")
        token = a.ok("site", "token")
        self.check_error(self.join(b, token, number=2, name="node-a"), 7, "is taken",
                         self.address(0))
        self.assertFalse(pathlib.Path(b.data, "site").exists())
        self.assertEqual(self.join(b, token, number=2).code, 0)

    def test_who_is_evicted_is_told(self):
        a, b = self.two()
        self.check_error(a.godwit("site", "evict", "node-a"), 2, "itself")
        self.check_error(a.godwit("site", "evict", "node-x"), 3, "node-x")
        a.ok("site", "evict", "node-b")
        self.assertEqual(self.names(a), ["node-a"])
        b.stop()
        b.start()
        harness.eventually(lambda: "was evicted" in b.log(), what="the evicted node's finding out")
        b.ok("site", "leave")
        b.stop()
        self.assertEqual(self.join(b, a.ok("site", "token")).code, 0)

    def test_a_lone_node_takes_nobody(self):
        a = self.node()
        self.init(a, url="sqlite")
        a.start()
        self.assertEqual(self.names(a), ["node-a"])
        self.check_error(a.godwit("site", "token"), 4, "--coordinator etcd://")
        a.stop()
        a.start()
        self.assertEqual(self.names(a), ["node-a"])

    def test_what_is_not_there(self):
        a = self.node()
        away = free_ports(1)[0]
        self.check_error(
            self.offline(a, "init", "--name", "node-a", "--address", self.address(0),
                         "--coordinator", f"etcd://127.0.0.1:{away}"), 13, str(away))
        self.assertFalse(pathlib.Path(a.data, "site").exists())
        self.check_error(
            self.offline(a, "init", "--name", "node-a", "--address", "nowhere"), 2, "HOST:PORT")
        self.init(a)
        a.start()
        self.check_error(
            self.offline(a, "init", "--name", "x", "--address", self.address(1)), 7)
        # Who serves no TLS at the other end, and who serves nothing.
        token = a.ok("site", "token")
        b = self.node()
        plain = a.endpoint.removeprefix("http://")
        done = self.offline(b, "join", token, plain, "--name", "b", "--address", self.address(1))
        self.check_error(done, 2, "speaks no TLS")
        done = self.offline(b, "join", token, self.address(2), "--name", "b", "--address",
                            self.address(1))
        self.check_error(done, 13, "is this its site port?")
        # And who speaks no TLS to a site port.
        said = harness.run(["curl", "-s", f"http://{self.address(0)}/"])
        self.assertIn("speaks TLS", said.out)


if __name__ == "__main__":
    harness.main()
