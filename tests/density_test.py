"""An instance that is away for long: nothing of it is alive, and it comes back all the same.

Without kept walls that holds for every instance from the moment when it is on disk.
"""
import os
import pathlib
import socket
import time

import harness
from harness import PLAIN

CALLS = 12


def init_processes(node):
    """The first processes of its sandboxes."""
    children = []
    for thread in os.listdir(f"/proc/{node.process.pid}/task"):
        path = pathlib.Path(f"/proc/{node.process.pid}/task/{thread}/children")
        children += path.read_text(encoding="ascii").split()
    return children


def descriptors(node):
    return len(os.listdir(f"/proc/{node.process.pid}/fd"))


class Away(harness.NodeCase):
    flags = (*PLAIN, "--kept-walls", "0", "--blocked-after", "300ms", "--idle-after", "400ms")

    def nothing_is_left(self, instances, before):
        harness.eventually(lambda: not init_processes(self.node), 20, "the end of all walls")
        for row in instances:
            self.assertEqual(self.node.cgroups(row["instance"]), [])
            staging = self.node.data / "staging" / row["instance"]
            inside = f"/proc/{self.node.process.pid}/root{staging}"
            harness.eventually(lambda path=inside: not os.path.exists(path), 10, inside)
        self.assertLessEqual(descriptors(self.node), before + 2)

    def test_nothing_of_a_sleeper_is_alive(self):
        self.node.deploy("one-of-many", "one-of-many")
        before = descriptors(self.node)
        seconds = 15 + CALLS / 2
        calls = [self.node.submit("one-of-many", {"number": number, "seconds": seconds})
                 for number in range(CALLS)]
        rows = self.node.wait_for(state="SUSPENDED", count=CALLS)
        self.nothing_is_left(rows, before)
        # Its walls are built while there is time: nobody is late for want of them.
        late = []
        for number, call in enumerate(calls):
            answer = self.node.result(call)["result"]
            self.assertEqual((answer["number"], answer["square"]), (number, number * number))
            late.append(answer["slept"] - seconds)
        self.assertGreaterEqual(min(late), 0)
        harness.say(f"late by {min(late) * 1000:.0f} to {max(late) * 1000:.0f} ms")

    def test_by_hand_and_for_a_call(self):
        self.node.deploy("echo")
        for number in range(3):
            self.assertEqual(self.node.invoke("echo", {"number": number})["event"]["number"],
                             number)
            row = self.node.wait_for(function="echo", state="SUSPENDED")
            self.nothing_is_left([row], descriptors(self.node))
        self.node.ok("resume", row["instance"])
        self.assertEqual(self.node.ps(function="echo")[0]["instance"], row["instance"])

    def test_asked_for_while_its_walls_go(self):
        self.node.deploy("one-of-many", "one-of-many")
        call = self.node.submit("one-of-many", {"number": 3, "seconds": 8})
        row = self.node.wait_for(state="SUSPENDED")
        begun = time.monotonic()
        moves = 0
        while time.monotonic() - begun < 4:
            self.node.godwit("resume", row["instance"], quiet=True)
            self.node.godwit("suspend", row["instance"], quiet=True)
            moves += 1
        harness.say(f"there and back {moves} times")
        self.assertEqual(self.node.result(call)["result"]["square"], 9)

    def test_a_packet_for_one_without_walls(self):
        self.node.deploy("streams", "network", "handler.stream", network="nat", timeout=30)
        with socket.create_server(("0.0.0.0", 0)) as server:
            server.settimeout(30)
            port = server.getsockname()[1]
            call = self.node.submit("streams", {"host": "169.254.1.1", "port": port})
            connection, _ = server.accept()
            with connection, connection.makefile("r", newline="\n") as lines:
                connection.settimeout(30)
                self.assertEqual(lines.readline(), "here\n")
                for text in ("one", "three", "bye"):
                    row = self.node.wait_for(function="streams", state="SUSPENDED")
                    self.nothing_is_left([row], descriptors(self.node))
                    links = pathlib.Path("/proc/net/dev").read_text(encoding="ascii")
                    self.assertNotIn(row["address"].replace(".", ""), links)
                    connection.sendall(f"{text}\n".encode())
                    answer = lines.readline().strip()
                    self.assertEqual(answer, "" if text == "bye" else str(len(text)))
            self.assertEqual(self.node.result(call)["result"], ["one", "three", "bye"])


class Kept(harness.NodeCase):
    flags = (*PLAIN, "--kept-walls", "2", "--blocked-after", "300ms", "--idle-after", "300ms")

    def test_those_that_are_wanted_soonest_keep_their_walls(self):
        self.node.deploy("one-of-many", "one-of-many", timeout=5)
        calls = [self.node.submit("one-of-many", {"number": 0, "seconds": seconds})
                 for seconds in (60, 40, 700, 50)]
        self.node.wait_for(state="SUSPENDED", count=len(calls))
        harness.eventually(lambda: len(init_processes(self.node)) == 2, 20, "two walls")
        rows = self.node.ps(state="SUSPENDED")
        kept = {row["request_id"] for row in rows if self.node.cgroups(row["instance"])}
        self.assertEqual(kept, {calls[1], calls[3]})


if __name__ == "__main__":
    harness.main()
