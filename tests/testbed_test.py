"""The test bed itself: what its wire does to frames, and that nothing of it stays."""
import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

import harness
import testbed

SITE_BED = harness.ROOT / "scripts" / "site-bed"
FATES = ("delivered", "lost", "overflowed", "cut", "refused", "held")

# What a process does that makes a bed, and is killed.
OWNER = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
import harness, testbed
bed = testbed.Bed(2, nat="cone")
node = bed.node("a", "--prebake", "off", "--freeze-after", "100ms").start()
node.deploy("greeter", harness.EXAMPLES / "greeter")
node.invoke("greeter")
node.wait_for(state="FROZEN")
bed.etcd()
places = [*bed.places.values(), *bed.routers.values()]
print("BED", json.dumps({"networks": [os.readlink(place.network_path) for place in places],
                         "homes": [str(home) for home in (bed.home, *bed.homes.values())],
                         "wire": bed.wire.process.pid}), flush=True)
sys.stdin.read()
"""


def draws(seed):
    """splitmix64, as tools/testbed/path.h has it."""
    mask = (1 << 64) - 1
    while True:
        seed = (seed + 0x9e3779b97f4a7c15) & mask
        z = seed
        z = ((z ^ z >> 30) * 0xbf58476d1ce4e5b9) & mask
        z = ((z ^ z >> 27) * 0x94d049bb133111eb) & mask
        yield ((z ^ z >> 31) >> 11) * 2.0 ** -53


def networks():
    """The network namespaces in which processes are."""
    found = set()
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            found.add(os.readlink(process / "ns" / "net"))
    return found


def datagrams(bed, name, port=0):
    sock = bed.places[name].inside(socket.socket, socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("0.0.0.0", port))
    sock.settimeout(30)
    return sock


def listener(bed, name, port=5000):
    server = bed.places[name].inside(socket.create_server, ("0.0.0.0", port))
    server.settimeout(30)
    return server


def dial(bed, name, other, port=5000, timeout=30):
    return bed.places[name].inside(socket.create_connection, (bed.address(other), port), timeout)


class BedCase(unittest.TestCase):

    def bed(self, *arguments, **options):
        bed = testbed.Bed(*arguments, **options)
        self.addCleanup(bed.down)
        return bed

    def settled(self, bed, sender, receiver, offered):
        """The counts when at least so many were offered and none is on its way."""
        counts = harness.eventually(
            lambda: (one := bed.stats(sender, receiver))["offered"] >= offered
            and one["held"] == 0 and one, what=f"the end of {offered} frames")
        self.assertEqual(counts["offered"], sum(counts[fate] for fate in FATES), counts)
        return counts


class WireTest(BedCase):

    def transfer(self, bed, megabytes):
        """Sends so much from a to b; megabits a second."""
        with listener(bed, "b") as server, dial(bed, "a", "b") as sender:
            receiver = server.accept()[0]
            block, wanted, begun = bytes(1 << 18), megabytes << 20, time.monotonic()
            threading.Thread(target=lambda: [sender.sendall(block) for _ in range(megabytes * 4)],
                             daemon=True).start()
            with receiver:
                buffer, got = bytearray(1 << 18), 0
                while got < wanted and (length := receiver.recv_into(buffer)):
                    got += length
            self.assertEqual(got, wanted)
            return wanted * 8 / 1e6 / (time.monotonic() - begun)

    def test_throughput(self):
        bed = self.bed(2)
        harness.say(f"no limits: {self.transfer(bed, 256):.0f} Mbit/s")
        before = self.settled(bed, "a", "b", 1)
        bed.set("a", "b", rate="1gbit", delay="1ms")
        harness.say(f"1 Gbit/s, 1 ms: {self.transfer(bed, 64):.0f} Mbit/s")
        counts = self.settled(bed, "a", "b", 1)
        self.assertGreater(counts["delivered_bytes"], 320 << 20)
        # Large segments are counted as the frames of 1500 bytes that they stand for.
        self.assertGreater(counts["delivered"], (320 << 20) // 1500)
        late, came = (counts[key] - before[key] for key in ("late", "delivered"))
        harness.say(f"{late} of {came} frames came over 0.1 ms late")

    def test_a_frame_comes_after_its_delay(self):
        bed = self.bed(2, delay="2ms")
        with datagrams(bed, "a") as a, datagrams(bed, "b", 7) as b:
            trips = []
            for _ in range(50):
                begun = time.monotonic()
                a.sendto(b"ping", (bed.address("b"), 7))
                b.sendto(*b.recvfrom(100))
                a.recvfrom(100)
                trips.append(time.monotonic() - begun)
            harness.say(f"there and back over 2 ms each: {min(trips) * 1e3:.2f} to "
                        f"{max(trips) * 1e3:.2f} ms")
            before = self.settled(bed, "a", "b", 50)
            bed.set("a", "b", delay="3600s")
            for _ in range(20):
                a.sendto(b"ping", (bed.address("b"), 7))
            after = harness.eventually(lambda: (one := bed.stats("a", "b"))["held"] >= 20 and one,
                                       what="frames on their way")
            self.assertEqual(after["delivered"], before["delivered"])

    def test_a_connection_outlives_a_cut(self):
        bed = self.bed(3)
        with listener(bed, "b") as server, dial(bed, "a", "b") as near:
            far = server.accept()[0]
            with far:
                far.settimeout(30)
                near.sendall(b"one")
                self.assertEqual(far.recv(10), b"one")
                bed.cut("a", "b")
                near.sendall(b"two")
                harness.eventually(lambda: bed.stats("a", "b")["cut"] >= 2, what="a lost frame")
                self.assertFalse(bed.stats("b", "a")["up"])
                with listener(bed, "c") as third, dial(bed, "a", "c") as other:
                    other.sendall(b"hello")  # the others are not concerned
                    self.assertEqual(third.accept()[0].recv(10), b"hello")
                bed.heal("a", "b")
                self.assertEqual(far.recv(10), b"two")

    def test_loss_is_what_the_seed_says(self):
        bed = self.bed(2, loss="10%", seed=42)
        with datagrams(bed, "a") as a:
            # A neighbour that is asked for again and again would cost a test its time.
            mac = json.loads(bed.places["b"].ok("ip -j link show eth0"))[0]["address"]
            bed.places["a"].ok(f"ip neigh replace {bed.address('b')} lladdr {mac} dev eth0")
            for _ in range(2000):
                a.sendto(bytes(100), (bed.address("b"), 7))
            counts = self.settled(bed, "a", "b", 2000)
        numbers = draws(42)
        self.assertEqual(counts["lost"], sum(next(numbers) < 0.1 for _ in range(counts["offered"])))
        self.assertEqual(counts["delivered"], counts["offered"] - counts["lost"])

    def test_a_slow_path_overflows(self):
        bed = self.bed(2)
        with datagrams(bed, "a") as a, datagrams(bed, "b", 7) as b:
            a.sendto(b"know me", (bed.address("b"), 7))
            b.recvfrom(100)
            bed.set("a", "b", rate="8kbit", queue="4K")
            for _ in range(100):
                a.sendto(bytes(1000), (bed.address("b"), 7))
            counts = harness.eventually(lambda: (one := bed.stats("a", "b"))["overflowed"] and one)
            self.assertGreater(counts["held"] + counts["delivered"], 0)

    def test_errors(self):
        bed = self.bed(2)
        for deed, words in ((lambda: bed.cut("a", "nobody"), "cannot find 'a,nobody'"),
                            (lambda: bed.set("a", rate="fast"), "cannot set 'rate=fast'"),
                            (lambda: bed.wire.tell("dance"), "cannot obey 'dance'"),
                            (lambda: bed.wire.tell("port a /proc/self/ns/net x"), "there is one"),
                            (lambda: bed.wire.tell("port z /nowhere x"), "'/nowhere'"),
                            (lambda: testbed.Bed(nat="odd"), "cannot use NAT 'odd'")):
            with self.assertRaises(ValueError) as caught:
                deed()
            self.assertIn(words, str(caught.exception))
        self.assertEqual(len(bed.wire.stats()), 2)

    def test_a_device_that_somebody_deletes(self):
        bed = self.bed(3)
        bed.places["c"].ok("ip link delete eth0")
        with listener(bed, "b") as server, dial(bed, "a", "b") as near:
            near.sendall(b"we are left")
            self.assertEqual(server.accept()[0].recv(20), b"we are left")
        harness.eventually(lambda: bed.stats("a", "c")["refused"] >= 1, what="a refused frame")


class NatTest(BedCase):

    def ports_seen(self, bed):
        """Of sockets of a: (own, as b's router passed it on, the same for c's)."""
        seen = []
        for name in "bc":
            bed.forward(name, 7, "udp")
        with datagrams(bed, "b", 7) as b, datagrams(bed, "c", 7) as c:
            for _ in range(4):
                with datagrams(bed, "a") as a:
                    row = [a.getsockname()[1]]
                    for name, sock in (("b", b), ("c", c)):
                        a.sendto(b"who am I", (bed.address(name), 7))
                        host, port = sock.recvfrom(100)[1]
                        self.assertEqual(host, bed.address("a"))
                        row.append(port)
                    seen.append(row)
        harness.say(f"{bed.nat}: {seen}")
        return seen

    def test_a_cone_has_one_port_for_all(self):
        for own, one, other in self.ports_seen(self.bed(3, nat="cone")):
            self.assertEqual((one, other), (own, own))

    def test_a_symmetric_router_has_another_for_each(self):
        seen = self.ports_seen(self.bed(3, nat="symmetric"))
        self.assertTrue(any(one != other for _, one, other in seen))

    def test_nobody_comes_in_but_where_it_is_forwarded(self):
        bed = self.bed(2, nat="cone")
        with listener(bed, "b"), self.assertRaises(OSError):
            dial(bed, "a", "b", timeout=1)
        bed.forward("b", 5000)
        with listener(bed, "b") as server, dial(bed, "a", "b") as near:
            far, peer = server.accept()
            with far:
                self.assertEqual(peer[0], bed.address("a"))
                near.sendall(b"in")
                self.assertEqual(far.recv(10), b"in")


class NodesTest(BedCase):

    def test_three_nodes(self):
        bed = self.bed(3, rate="1gbit", delay="1ms")
        nodes = [bed.node(name, *harness.PLAIN, "--blocked-after", "300ms") for name in "abc"]
        for node in nodes:
            node.start()
            node.deploy("greeter", harness.EXAMPLES / "greeter")
            node.deploy("streams", "network", "handler.stream", network="nat", timeout=60)
        for node in nodes:
            self.assertEqual(node.invoke("greeter", {"name": node.name}),
                             {"greeting": f"Hello, {node.name}!"})
        # All at once are put away and brought back, with links of the same addresses.
        with listener(bed, "b") as server:
            event = json.dumps({"host": bed.address("b"), "port": 5000})
            calls = [node.later("invoke", "streams", event) for node in nodes]
            peers = [server.accept()[0] for _ in nodes]
            for node in nodes:
                node.wait_for(function="streams", state="SUSPENDED")
            for peer in peers:
                with peer:
                    peer.sendall(b"bye\n")
            for call in calls:
                self.assertEqual(call.result(60).out, '["bye"]\n')
        # One node's API is reached from another's machine.
        done = harness.run([harness.binary(), "list", "--json", "--endpoint", nodes[0].endpoint],
                           runner=bed.places["c"].run)
        self.assertIn("greeter", done.out)

    def test_power_fails_and_comes_back(self):
        bed = self.bed(2)
        node = bed.node("a", *harness.PLAIN, "--freeze-after", "100ms").start()
        node.deploy("greeter", harness.EXAMPLES / "greeter")
        node.invoke("greeter")
        node.wait_for(state="FROZEN")  # whom a kill reaches late
        network = os.readlink(bed.places["a"].network_path)
        bed.kill("a")
        self.assertFalse(node.alive())
        self.assertNotIn(network, networks())
        self.assertNotIn(("a", "b"), bed.wire.stats())
        bed.boot("a")
        node.start()
        self.assertEqual(node.invoke("greeter", {"name": "you"}), {"greeting": "Hello, you!"})

    @unittest.skipUnless(harness.FAULTS, "the program has no fault points")
    def test_clocks_disagree(self):
        bed = self.bed(2)
        ages = []
        for name, skew in (("a", 0), ("b", -600)):
            node = bed.node(name, *harness.PLAIN)
            node.skew(skew)
            node.start()
            node.deploy("greeter", harness.EXAMPLES / "greeter")
            node.invoke("greeter")
            ages.append(time.time() - harness.seconds_of(node.ps()[0]["since"]))
        self.assertGreaterEqual(ages[1], 600)
        self.assertLess(ages[0], 600)

    def test_etcd(self):
        bed = self.bed(2)
        etcd = bed.etcd()
        for name in "ab":
            done = bed.places[name].run(["curl", "-s", f"http://{etcd.address}/health"],
                                        capture_output=True)
            self.assertEqual(done.stdout, b'{"health":"true"}')
        bed.cut("a", testbed.ETCD)
        with self.assertRaises(OSError):
            dial(bed, "a", testbed.ETCD, 2379, timeout=1)
        dial(bed, "b", testbed.ETCD, 2379).close()
        etcd.kill9()
        self.assertFalse(etcd.healthy())
        etcd.start()


class ManyTest(BedCase):

    def test_beds_do_not_meet(self):
        beds = [self.bed(2), self.bed(2)]
        for number, bed in enumerate(beds):
            with listener(bed, "b") as server, dial(bed, "a", "b") as near:
                near.sendall(str(number).encode())
                with server.accept()[0] as far:
                    self.assertEqual(far.recv(10), str(number).encode())
        beds[0].cut()
        beds[0].kill("a")
        with listener(beds[1], "b"):
            dial(beds[1], "a", "b").close()
        beds[0].down()
        with listener(beds[1], "b"):
            dial(beds[1], "a", "b").close()

    def test_nothing_outlives_its_owner(self):
        with subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", sys.executable, "-B", "-c", OWNER,
                 harness.ROOT / "tests"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                text=True) as owner:
            told = next((line for line in owner.stdout if line.startswith("BED ")), None)
            self.assertIsNotNone(told, "it did not come up")
            bed = json.loads(told.removeprefix("BED "))
            self.assertLessEqual(set(bed["networks"]), networks())
            owner.send_signal(signal.SIGKILL)
        harness.eventually(lambda: not networks() & set(bed["networks"]), what="the end of all")
        harness.eventually(lambda: not any(os.path.exists(home) for home in bed["homes"]), 60,
                           "the end of the files")
        for home in bed["homes"]:
            self.assertEqual(harness.cgroups_of(pathlib.Path(home) / "data"), [])


class ScriptTest(unittest.TestCase):

    def site_bed(self, *words, code=0):
        done = harness.run([SITE_BED, "--bed", self.name, *words], env=self.env)
        self.assertEqual(done.code, code, done)
        return done.out + done.err

    def test_a_session(self):
        self.name = f"t{os.getpid()}"
        self.env = harness.environment(GODWIT_BINARY=harness.binary())
        self.assertIn("cannot reach bed", self.site_bed("status", code=1))
        with subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", SITE_BED, "--bed", self.name, "up", "--nodes",
                 "2", "--delay", "1ms"], stdout=subprocess.PIPE, text=True, env=self.env) as up:
            self.addCleanup(up.kill)
            self.assertEqual(up.stdout.readline().split(), ["a", "10.77.0.1"])
            self.assertEqual(up.stdout.readline().split(), ["b", "10.77.0.2"])
            self.assertIn("is up", up.stdout.readline())
            self.assertIn("cannot make bed", self.site_bed("up", code=1))
            self.assertEqual(self.site_bed("exec", "a", "hostname"), f"gw-{self.name}-a\n")
            self.site_bed("cut", "a", "b")
            self.site_bed("set", "a", "b", "--rate", "1mbit")
            self.assertIn("cannot set 'rate=x'", self.site_bed("set", "--rate", "x", code=1))
            paths = json.loads(self.site_bed("status"))["paths"]
            self.assertEqual([path["up"] for path in paths], [False, False])
            self.site_bed("heal")
            self.site_bed("kill", "b")
            self.assertIn("it was killed", self.site_bed("exec", "b", "true", code=1))
            self.site_bed("boot", "b")
            self.assertEqual(self.site_bed("exec", "b", "sh", "-c", "exit 3", code=3), "")
            self.site_bed("down")
            self.assertEqual(up.wait(60), 0)


if __name__ == "__main__":
    harness.main()
