"""Functions with a network: what they wait for arrives while they are put away."""
import http.server
import json
import os
import random
import socket
import subprocess
import threading
import time
import unittest

import harness

GATEWAY = "169.254.1.1"


class Peer:
    """A server that a function connects to; speaks when it is told to."""

    def __init__(self):
        self.server = socket.create_server(("0.0.0.0", 0))
        self.port = self.server.getsockname()[1]
        self.connection = self.lines = None

    def accept(self):
        self.server.settimeout(30)
        self.connection, _ = self.server.accept()
        self.connection.settimeout(30)
        self.lines = self.connection.makefile("r", newline="\n")
        return self.lines.readline().strip()

    def say(self, text):
        """Says a line; what comes back, and after how many seconds."""
        begun = time.monotonic()
        self.connection.sendall(f"{text}\n".encode())
        answer = self.lines.readline().strip()
        return answer, time.monotonic() - begun

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for one in (self.lines, self.connection, self.server):
            if one:
                one.close()


class Network(unittest.TestCase):

    def setUp(self):
        self.node = harness.Node("--blocked-after", "300ms", "--idle-after", "400ms").start()
        self.addCleanup(self.node.close)

    def deploy(self, name, handler, **settings):
        self.node.deploy(name, "network", f"handler.{handler}", network="nat", timeout=30,
                         **settings)

    def put_away(self, function):
        return self.node.wait_for(function=function, state="SUSPENDED")

    def test_a_packet_wakes(self):
        self.deploy("streams", "stream")
        with Peer() as peer:
            call = self.node.later("invoke", "streams",
                                   json.dumps({"host": GATEWAY, "port": peer.port}))
            self.assertEqual(peer.accept(), "here")
            late = []
            for text in ("one", "fifteen letters", "bye"):
                row = self.put_away("streams")
                self.assertEqual((row["memory_bytes"], row["wakes_at"]), (0, None))
                answer, seconds = peer.say(text)
                late.append(seconds)
                self.assertEqual(answer, "" if text == "bye" else str(len(text)))
            self.assertEqual(json.loads(call.result(20).out), ["one", "fifteen letters", "bye"])
            # Handed over at once, not left to the peer's sending it again 200 ms later.
            harness.say(f"answered after {[f'{seconds * 1000:.0f} ms' for seconds in late]}")
            moves = self.node.request("GET", f"/godwit/v1/instances/{row['instance']}")[2]
            self.assertIn(b"a packet came", moves)

    def test_a_packet_at_any_moment(self):
        self.deploy("streams", "stream")
        with Peer() as peer:
            call = self.node.later("invoke", "streams",
                                   json.dumps({"host": GATEWAY, "port": peer.port}))
            peer.accept()
            for lap in range(40):
                text = "x" * (lap + 1)
                # The dump begins 0.3 to 0.5 s after its last instruction, and takes some 30 ms.
                time.sleep(random.uniform(0.28, 0.52))
                self.assertEqual(peer.say(text)[0], str(len(text)))
            self.assertEqual(peer.say("bye")[0], "")
            self.assertEqual(len(json.loads(call.result(20).out)), 41)

    def test_who_is_woken_before_its_time_is_put_away_again(self):
        self.deploy("patient", "patient")
        with Peer() as peer:
            call = self.node.later("invoke", "patient",
                                   json.dumps({"host": GATEWAY, "port": peer.port}))
            self.assertEqual(peer.accept(), "here")
            for text in ("one", "two", "bye"):
                self.assertIsNotNone(self.put_away("patient")["wakes_at"])
                self.assertEqual(peer.say(text)[0], str(len(text)))
            self.assertEqual(json.loads(call.result(20).out), ["one", "two", "bye"])

    def test_the_end_of_a_connection_wakes(self):
        self.deploy("streams", "stream")
        with Peer() as peer:
            call = self.node.later("invoke", "streams",
                                   json.dumps({"host": GATEWAY, "port": peer.port}))
            peer.accept()
            self.put_away("streams")
            peer.connection.shutdown(socket.SHUT_WR)
            self.assertEqual(call.result(20).out, "[]\n")

    def test_a_peer_that_asks_whether_it_lives_is_answered(self):
        self.deploy("streams", "stream")
        with Peer() as peer:
            call = self.node.later("invoke", "streams",
                                   json.dumps({"host": GATEWAY, "port": peer.port}))
            peer.accept()
            for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1),
                                  (socket.TCP_KEEPCNT, 2)):
                peer.connection.setsockopt(socket.IPPROTO_TCP, option, value)
            peer.connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            row = self.put_away("streams")
            time.sleep(6)  # its peer, who asks each second, would have given it up after three
            again = self.put_away("streams")
            self.assertEqual((row["instance"], row["since"]), (again["instance"], again["since"]))
            self.assertEqual(peer.say("bye")[0], "")
            self.assertEqual(call.result(20).out, '["bye"]\n')

    def test_a_connection_that_is_not_there_yet(self):
        self.deploy("streams", "stream")
        with socket.socket() as server, socket.socket() as first:
            server.bind(("0.0.0.0", 0))
            server.listen(0)  # one may wait to be accepted, and who comes then is not heard
            first.connect(server.getsockname())
            call = self.node.later("invoke", "streams", json.dumps(
                {"host": GATEWAY, "port": server.getsockname()[1]}))
            self.node.wait_for(function="streams", state="BLOCKED")
            time.sleep(1)  # it would be put away by now, and nobody would knock any more
            server.accept()[0].close()
            server.settimeout(30)
            with server.accept()[0] as peer, peer.makefile("rw", newline="\n") as lines:
                self.assertEqual(lines.readline(), "here\n")
                lines.write("bye\n")
                lines.flush()
                self.assertEqual(call.result(20).out, '["bye"]\n')

    def test_a_datagram_wakes(self):
        self.deploy("hears", "datagrams")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.bind(("0.0.0.0", 0))
            peer.settimeout(30)
            event = {"host": GATEWAY, "port": peer.getsockname()[1]}
            call = self.node.later("invoke", "hears", json.dumps(event))
            _, where = peer.recvfrom(100)
            self.put_away("hears")
            peer.sendto(b"rain", where)
            self.assertEqual(call.result(20).out, '"rain"\n')

    def test_a_long_poll(self):
        tell = threading.Event()

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                tell.wait(60)
                self.send_response(200)
                self.send_header("Content-Length", "5")
                self.end_headers()
                self.wfile.write(b"ready")

            def log_message(self, *_):
                pass

        self.deploy("polls", "polls")
        with http.server.ThreadingHTTPServer(("0.0.0.0", 0), Answer) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            event = {"host": GATEWAY, "port": server.server_address[1]}
            call = self.node.later("invoke", "polls", json.dumps(event))
            self.put_away("polls")
            tell.set()
            self.assertEqual(call.result(20).out, '"ready"\n')
            server.shutdown()

    def test_a_new_connection_wakes_who_listens(self):
        self.deploy("where", "address")
        self.deploy("listens", "listens")
        call = self.node.later("invoke", "listens", '{"port":8080}')
        self.put_away("listens")
        own = next(row for row in self.node.ps(function="listens"))["address"]
        with socket.create_connection((own, 8080), 20) as peer:
            self.assertEqual(peer.recv(100), b"welcome\n")
            peer.sendall(b"hello\n")
            self.assertEqual(call.result(20).out, '"hello"\n')

    def test_a_connection_outlives_the_node(self):
        self.deploy("streams", "stream")
        with Peer() as peer:
            request = self.node.submit("streams", {"host": GATEWAY, "port": peer.port})
            peer.accept()
            self.put_away("streams")
            self.node.kill9()
            self.node.start()
            self.put_away("streams")
            self.assertEqual(peer.say("still there?")[0], "12")
            self.put_away("streams")
            self.assertEqual(self.node.stop(), 0)
            # What is said while nobody is there is said again by TCP.
            peer.connection.sendall(b"bye\n")
            self.node.start()
            self.assertEqual(self.node.result(request)["result"], ["still there?", "bye"])

    def test_the_world_through_the_machines_address(self):
        world = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "sleep",
                                  "120"])
        self.addCleanup(world.wait)
        self.addCleanup(world.kill)
        own = os.readlink("/proc/self/ns/net")
        harness.eventually(lambda: os.readlink(f"/proc/{world.pid}/ns/net") != own)
        inside = ["nsenter", "-t", str(world.pid), "-n"]
        for command in (["ip", "link", "add", "w0", "type", "veth", "peer", "name", "w1", "netns",
                         str(world.pid)],
                        ["ip", "address", "add", "192.0.2.1/24", "dev", "w0"],
                        ["ip", "link", "set", "w0", "up"],
                        [*inside, "ip", "address", "add", "192.0.2.2/24", "dev", "w1"],
                        [*inside, "ip", "link", "set", "w1", "up"],
                        [*inside, "ip", "link", "set", "lo", "up"]):
            subprocess.run(command, check=True)
        self.addCleanup(subprocess.run, ["ip", "link", "delete", "w0"], check=False)
        # It has no route to the functions' addresses: it sees the machine's.
        script = ("import socket, sys; s = socket.create_server(('192.0.2.2', 7000));"
                  "print('ready', flush=True); c, a = s.accept(); print(a[0], flush=True);"
                  "c.recv(10); sys.stdin.readline(); c.sendall(b'bye\\n'); c.recv(10)")
        with subprocess.Popen([*inside, "/usr/bin/python3", "-c", script], text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
            self.addCleanup(server.kill)
            self.assertEqual(server.stdout.readline(), "ready\n")
            self.deploy("streams", "stream")
            call = self.node.later("invoke", "streams", '{"host":"192.0.2.2","port":7000}')
            self.assertEqual(server.stdout.readline(), "192.0.2.1\n")
            self.put_away("streams")
            server.stdin.write("go\n")
            server.stdin.flush()
            self.assertEqual(call.result(20).out, '["bye"]\n')

    def test_walls(self):
        self.node.deploy("alone", "network", "handler.reaches")
        self.deploy("reaches", "reaches")
        with Peer() as peer:
            event = json.dumps({"host": GATEWAY, "port": peer.port})
            self.assertEqual(self.node.ok("invoke", "reaches", event), "true")
            self.assertEqual(self.node.ok("invoke", "alone", event), '"OSError"')
        # Not the node itself, which runs whatever it is told to.
        port = int(self.node.endpoint.rsplit(":", 1)[1])
        event = json.dumps({"host": GATEWAY, "port": port})
        self.assertIn(self.node.ok("invoke", "reaches", event),
                      ('"TimeoutError"', '"ConnectionRefusedError"'))

    def test_nothing_stays_behind(self):
        self.deploy("where", "address")
        self.assertRegex(self.node.ok("invoke", "where"), r'"10\.249\.\d+\.\d+"')
        self.put_away("where")
        names = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True, check=True)
        self.assertIn("godwit-", names.stdout)
        self.node.kill9()
        self.node.start()
        self.assertRegex(self.node.ok("invoke", "where"), r'"10\.249\.\d+\.\d+"')
        self.assertEqual(self.node.stop(), 0)
        harness.eventually(lambda: "godwit-" not in subprocess.run(
            ["ip", "-br", "link"], capture_output=True, text=True, check=True).stdout)
        rules = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True,
                               check=True)
        self.assertEqual(rules.stdout, "")


if __name__ == "__main__":
    harness.main(own_network=True)
