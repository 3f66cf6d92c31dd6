"""A machine or a store that is not as it should be: a clear error, and nothing lost."""
import contextlib
import json
import os
import pathlib
import shutil
import socket
import sqlite3
import unittest

import harness
from harness import PLAIN

MIB = 1 << 20
# A node in a mount namespace of its own, whose store (the first word) is on a tmpfs of so many MiB.
SMALL_DISK = ("unshare", "-m", "sh", "-c",
              'mkdir -p "$0" && mount -t tmpfs -o size=48m none "$0" && exec "$@"')


class Starting(unittest.TestCase, harness.Errors):
    """Nodes that cannot start."""

    @classmethod
    def setUpClass(cls):
        cls.node = harness.Node(*PLAIN).start()
        cls.addClassCleanup(cls.node.close)
        cls.other = cls.node.home / "other"

    def start(self, *words, before=()):
        listen = () if "--listen" in words else ("--listen", "127.0.0.1:0")
        done = harness.run([*before, harness.binary(), "node", *listen, *words], timeout=60)
        self.assertEqual(done.out, "")
        self.assertEqual(harness.cgroups_of(self.other), [])
        return done

    def test_twice_on_one_store(self):
        done = self.start("--data", self.node.data)
        self.check_error(done, 7, str(self.node.data), f"pid {self.node.process.pid}")
        self.assertEqual(self.node.json("list"), [])

    def test_port_in_use(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            done = self.start("--data", self.other, "--listen", address)
            self.check_error(done, 7, address, "in use", "--listen")
            self.assertFalse(self.other.exists())

    def test_a_socket_in_a_store_that_is_not_there_yet(self):
        node = harness.Node(*PLAIN)
        self.addCleanup(node.close)
        node.launch(listen=f"unix:{node.data}/socket")
        harness.eventually(node.endpoint_of_log, what="the node's start")
        self.assertEqual(node.stop(), 0)
        self.assertFalse((node.data / "socket").exists())

    def test_no_root(self):
        nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        open_to_all = self.node.home / "open"
        open_to_all.mkdir(mode=0o777)
        open_to_all.chmod(0o777)
        done = self.start("--data", open_to_all / "data", before=nobody)
        self.check_error(done, 11, "root", "sudo")
        self.assertEqual(list(open_to_all.iterdir()), [])

    def test_places_that_are_none(self):
        file = self.node.home / "file"
        file.write_text("", encoding="ascii")
        self.check_error(self.start("--data", file), 7, str(file), "(name a folder")
        self.check_error(self.start("--data", "here"), 2, "'here'")
        self.check_error(self.start("--data", self.other, "--listen", "nowhere"), 2, "nowhere")
        elsewhere = "192.0.2.1:80"
        self.check_error(self.start("--data", self.other, "--listen", elsewhere), 2, "192.0.2.1",
                         "(pass a --listen with an address of this machine)")
        self.check_error(self.start("--data", "/proc/foo"), 3, "'/proc/foo'", "(name a folder")

    def test_configuration_files(self):
        path = self.node.home / "node.toml"
        for text, *says in (("frob = 3\n", "'frob'", "line 1"),
                            ('data = "/x"\nlisten = 9\n', "listen", "line 2"),
                            ('idle_after = "soon"\n', "soon", "line 1"),
                            ("data = \n", "line 1")):
            path.write_text(text, encoding="ascii")
            with self.subTest(text=text):
                self.check_error(self.start("--config", path), 2, str(path), *says)
        path.write_text('data = "/x\n', encoding="ascii")
        self.check_error(self.start("--config", path), 2, "line 1", "quote")
        self.check_error(self.start("--config", "/nowhere.toml"), 3, "/nowhere.toml",
                         "(name a TOML file")
        self.check_error(self.start("--config", "/tmp"), 2, "'/tmp' is a folder (")
        self.check_error(self.start("--frob"), 2, "--frob")


class Damage(unittest.TestCase, harness.Errors):
    """Files of a store that were changed behind the node's back."""

    def blobs(self, node):
        return {path for path in (node.data / "blobs").rglob("*") if path.is_file()}

    def test_images_of_sleepers(self):
        with harness.Node(*PLAIN, "--blocked-after", "200ms").start() as node:
            node.deploy("sleeps", "misfits", "handler.sleeps")
            calls = {}
            for harm in ("changed", "cut", "gone", "left alone"):
                before = self.blobs(node)
                calls[harm] = node.later("invoke", "sleeps", '{"seconds": 12}')
                row = node.wait_for(state="SUSPENDED", count=len(calls))
                (image,) = self.blobs(node) - before
                self.harm(image, harm)
            for harm, call in calls.items():
                done = call.result()
                with self.subTest(harm):
                    if harm == "left alone":
                        self.assertEqual((done.code, done.out), (0, '"slept"\n'))
                        continue
                    self.check_error(done, 1, "Godwit.ImageLost")
                    self.assertRegex(json.loads(done.out)["errorMessage"],
                                     "(cannot resume 'i-|image is broken: ).*'[0-9a-f]+'")
            self.assertEqual(node.invoke("sleeps", {"seconds": 0}), "slept")
            self.assertEqual(node.ps(state="LOST"), [])
            self.assertRegex(node.log(), "cannot resume|image is broken")

    def harm(self, image, how):
        content = bytearray(image.read_bytes())
        if how == "changed":
            content[len(content) // 2] ^= 1
            image.write_bytes(content)
        elif how == "cut":
            image.write_bytes(content[:-100])
        elif how == "gone":
            image.unlink()

    def test_files_of_the_store(self):
        node = harness.Node(*PLAIN).start()
        self.addCleanup(node.close)
        node.deploy("echo")
        self.assertEqual(node.stop(), 0)
        for name, code in (("godwit.db", 5), ("node.key", 2)):
            path = node.data / name
            good = path.read_bytes()
            path.write_bytes(os.urandom(len(good) - 1))
            with self.subTest(name):
                node.launch()
                self.check_error(harness.Done(node.died(), "", node.log(), 0), code, str(path))
            path.write_bytes(good)
        node.start()
        self.assertEqual(node.invoke("echo", {"n": 1})["event"], {"n": 1})

    def test_a_key_that_has_gone(self):
        """A new key would open nothing of what is there: none is made."""
        with harness.Node(*PLAIN, "--blocked-after", "200ms").start() as node:
            node.deploy("sleeps", "misfits", "handler.sleeps", timeout=60)
            request = node.submit("sleeps", {"seconds": 4})
            node.wait_for(state="SUSPENDED")
            node.kill9()
            key = node.data / "node.key"
            good = key.read_bytes()
            key.unlink()
            node.launch()
            self.check_error(harness.Done(node.died(), "", node.log(), 0), 3, str(key),
                             "1 functions, 1 instances", "put it back from a backup")
            self.assertFalse(key.exists())
            key.write_bytes(good)
            key.chmod(0o600)
            node.start()
            self.assertEqual(node.result(request)["result"], "slept")
            # A store that has nothing yet gets one.
            empty = harness.Node(*PLAIN)
            self.addCleanup(empty.close)
            empty.start().stop()
            (empty.data / "node.key").unlink()
            self.assertEqual(empty.start().json("list"), [])

    def test_code_of_functions(self):
        with harness.Node(*PLAIN, "--blocked-after", "200ms").start() as node:
            node.deploy("echo")
            good = self.blobs(node)
            node.deploy("sleeps", "misfits", "handler.sleeps", timeout=60)
            request = node.submit("sleeps", {"seconds": 60})
            node.wait_for(state="SUSPENDED")
            self.assertEqual(node.stop(), 0)
            for blob in self.blobs(node) - good:
                self.harm(blob, "cut")
            for code in (node.data / "code").iterdir():
                shutil.rmtree(code)
            node.start()
            self.assertEqual(node.invoke("echo", {"n": 1})["event"], {"n": 1})
            self.assertEqual(node.ps(function="sleeps"), [])
            record = node.result(request)
            self.assertEqual(record["status"], "FAILED", record)
            self.assertEqual(record["result"]["errorType"], "Godwit.ImageLost")
            states = {one["FunctionName"]: one["State"] for one in node.json("list")}
            self.assertEqual(states, {"echo": "Active", "sleeps": "Failed"})
            self.check_error(node.godwit("invoke", "sleeps"), 7, "sleeps", "(deploy it again)")
            self.assertIn("'sleeps' cannot run", node.log())
            node.deploy("sleeps", "misfits", "handler.sleeps")
            self.assertEqual(node.invoke("sleeps", {"seconds": 0}), "slept")
            node.kill9()
            for code in (node.data / "code").iterdir():
                shutil.rmtree(code)
            node.start()
            self.assertEqual(node.invoke("sleeps", {"seconds": 0}), "slept")


def fill(node):
    """All but 1 MiB of the node's small disk; the file that does it."""
    ballast = pathlib.Path(f"/proc/{node.process.pid}/root{node.data}/ballast")
    with open(ballast, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(MIB // 16))
        except OSError:
            file.truncate(file.tell() - MIB)
    return ballast


def sleeper_on_a_small_disk(case):
    """A node whose store has a disk of its own, with the function `sleeps`."""
    home = harness.new_home()
    node = harness.Node(*PLAIN, "--blocked-after", "200ms", home=home,
                        wrap=(*SMALL_DISK, str(home / "data")))
    case.addCleanup(node.close)
    node.start()
    node.deploy("sleeps", "misfits", "handler.sleeps", timeout=60)
    return node


class ReadOnly(unittest.TestCase, harness.Errors):
    """A disk that takes nothing any more, as one with an error is mounted."""

    def test_while_it_runs(self):
        """Of the images: what is on disk comes back, what runs goes on, nothing is half done."""
        node = sleeper_on_a_small_disk(self)
        kept = node.submit("sleeps", {"seconds": 6})
        node.wait_for(state="SUSPENDED")
        blobs = str(node.data / "blobs")
        for words in (("--bind", blobs, blobs), ("-o", "remount,bind,ro", blobs)):
            harness.run(["nsenter", "-t", str(node.process.pid), "-m", "mount", *words], check=True)
        call = node.later("invoke", "sleeps", '{"seconds": 4}')
        row = harness.eventually(
            lambda: next((row for row in node.ps() if "ead-only" in row["reason"]), None),
            what="a suspension that nobody keeps")
        self.assertIn(row["state"], ("BLOCKED", "BUSY"))
        self.check_error(node.godwit("suspend", row["instance"]), 11, "ead-only")
        self.check_error(node.godwit("deploy", harness.FUNCTIONS / "echo"), 11, "ead-only")
        self.assertEqual(call.result().out, '"slept"\n')
        record = node.result(kept)
        self.assertEqual((record["status"], record["result"], record["attempt"]),
                         ("SUCCEEDED", "slept", 1))
        self.assertEqual(node.invoke("sleeps", {"seconds": 0}), "slept")

    def test_at_the_start(self):
        node = harness.Node(*PLAIN)
        self.addCleanup(node.close)
        node.start().stop()
        node.wrap = ("unshare", "-m", "sh", "-c",
                     'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"',
                     str(node.data))
        node.launch()
        self.check_error(harness.Done(node.died(), "", node.log(), 0), 11, str(node.data),
                         "ead-only")


class FullDisk(unittest.TestCase, harness.Errors):

    def test_while_a_call_is_put_away(self):
        node = sleeper_on_a_small_disk(self)
        node.invoke("sleeps", {"seconds": 0})
        ballast = fill(node)
        call = node.later("invoke", "sleeps", '{"seconds": 4}')
        row = harness.eventually(
            lambda: next((row for row in node.ps() if "space" in row["reason"]), None),
            what="a suspension without room")
        harness.say(row)
        self.assertIn(row["state"], ("BLOCKED", "BUSY"))
        self.check_error(node.godwit("suspend", row["instance"]), 12, "space")
        done = call.result()
        self.assertEqual((done.code, done.out), (0, '"slept"\n'))
        # With room again it is put away, and knows nothing of all this.
        ballast.unlink()
        again = node.later("invoke", "sleeps", '{"seconds": 3}')
        node.wait_for(state="BUSY")
        node.ok("suspend", row["instance"])
        self.assertEqual([row["state"] for row in node.ps()], ["SUSPENDED"])
        self.assertEqual(again.result().out, '"slept"\n')

    def test_while_one_is_spilled(self):
        """Without room for its memory it keeps that, and answers right."""
        home = harness.new_home()
        node = harness.Node(*PLAIN, "--keep-awake", "--blocked-after", "200ms", home=home,
                            wrap=(*SMALL_DISK, str(home / "data")))
        self.addCleanup(node.close)
        node.start()
        node.deploy("large", "heap", timeout=60)
        node.invoke("large", {"what": "fill", "pages": 4096})
        ballast = fill(node)
        row, = node.ps()
        spill = ("suspend", row["instance"], "--tier", "spilled")
        self.check_error(node.godwit(*spill), 12, "space")
        row, = node.ps()
        self.assertEqual(row["state"], "READY")
        self.assertGreater(row["memory_bytes"], 16 * MIB)
        self.assertEqual(node.invoke("large", {"what": "check"}), [])
        ballast.unlink()
        self.assertEqual(node.json(*spill)["instance"]["state"], "SPILLED")
        self.assertEqual(node.invoke("large", {"what": "check"}), [])

    @unittest.skipUnless(harness.FAULTS, "this build has no fault points (the dev preset has)")
    def test_at_the_fault_point(self):
        with harness.Node(*PLAIN, "--blocked-after", "200ms").start(fault="203:fail") as node:
            words = ("deploy", harness.FUNCTIONS / "misfits", "--name", "sleeps", "--handler",
                     "handler.sleeps")
            self.check_error(node.godwit(*words), 1, "No space left", "free some space")
            self.assertEqual(node.json("list"), [])
            self.assertEqual(node.godwit(*words).code, 0)
        with harness.Node(*PLAIN, "--blocked-after", "200ms").start(fault="203:fail:2") as node:
            node.deploy("sleeps", "misfits", "handler.sleeps", timeout=60)
            call = node.later("invoke", "sleeps", '{"seconds": 3}')
            row = harness.eventually(
                lambda: next((row for row in node.ps() if "space" in row["reason"]), None))
            self.assertIn(row["state"], ("BLOCKED", "BUSY"))
            self.assertGreater(row["memory_bytes"], 1 << 20)
            self.assertEqual(call.result().out, '"slept"\n')


class NoCriu(harness.NodeCase):
    """Without CRIU all is as elsewhere: functions run, and keep their memory while they wait."""

    flags = ("--criu", "/nowhere/criu", "--blocked-after", "200ms", "--idle-after", "200ms")

    def test_calls_run_and_nothing_is_put_away(self):
        node = self.node
        self.assertIn("nothing will be put away", node.log())
        self.assertIn("/nowhere/criu", node.log())
        node.deploy("sleeps", "misfits", "handler.sleeps")
        call = node.later("invoke", "sleeps", '{"seconds": 2}')
        row = harness.eventually(
            lambda: next((row for row in node.ps() if "CRIU" in row["reason"]), None))
        self.assertIn(row["state"], ("BLOCKED", "BUSY"))
        self.assertEqual(call.result().out, '"slept"\n')
        self.check_error(node.godwit("suspend", row["instance"]), 4, "CRIU", "godwit doctor")
        self.check_no_criu(node)
        features = {one["name"]: one for one in node.json("doctor")["features"]}
        harness.say(features)
        criu = next(one for name, one in features.items() if "criu" in name.lower())
        self.assertFalse(criu["present"])
        self.assertTrue(criu["cost"])

    def check_no_criu(self, node):
        """A trial says so, and which tiers are left."""
        done = node.godwit("doctor", "sleeps", "--event", '{"seconds": 2}')
        self.check_error(done, 4, "1 obstacle")
        self.assertRegex(done.out, r"(?s)FROZEN +works.*SPILLED +works.*SUSPENDED +refused.*"
                                   r"obstacle: CRIU is not there\n *fix: run `godwit doctor`")


class NotCriu(harness.NodeCase):
    """Another program in its place is found out at once, not at the first suspension."""

    flags = ("--criu", "/bin/true", "--blocked-after", "200ms")

    def test_it_is_not_used(self):
        node = self.node
        self.assertRegex(node.log(), "nothing will be put away: '/bin/true' is not CRIU")
        node.deploy("sleeps", "misfits", "handler.sleeps")
        self.assertEqual(node.invoke("sleeps", {"seconds": 1}), "slept")
        NoCriu.check_no_criu(self, node)
        features = harness.eventually(lambda: node.json("doctor")["features"])
        criu = next(one for one in features if one["name"] == "CRIU")
        self.assertFalse(criu["present"])
        self.assertIn("'/bin/true' is not CRIU", criu["detail"])

    def test_who_is_not_root_is_told_to_be(self):
        nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        done = harness.run([*nobody, harness.binary(), "doctor", "--endpoint", "unix:/nowhere"])
        self.assertEqual(done.code, 0, done.err)
        self.assertRegex(done.out, r"(?m)^CRIU +no +at \S+, not asked; .*\(run as root to ask\)$")


class Waking(unittest.TestCase, harness.Errors):
    """What stands in the way of a wake-up makes a call late, not lost."""

    def stranded(self, node):
        return next((row for row in node.ps() if "not brought back" in row["reason"]), None)

    def test_a_store_that_is_locked_for_a_while(self):
        with harness.Node(*PLAIN, "--blocked-after", "200ms").start() as node:
            node.deploy("sleeps", "misfits", "handler.sleeps")
            call = node.later("invoke", "sleeps", '{"seconds": 4}')
            node.wait_for(state="SUSPENDED")
            with contextlib.closing(sqlite3.connect(node.data / "godwit.db")) as database:
                database.execute("BEGIN IMMEDIATE")
                row = harness.eventually(lambda: self.stranded(node), 60, "a failed resume")
                self.assertEqual((row["state"], row["memory_bytes"]), ("SUSPENDED", 0))
                self.assertIn("locked", row["reason"])
            self.assertEqual(call.result().out, '"slept"\n')
            self.assertEqual(node.invoke("sleeps", {"seconds": 0}), "slept")

    def test_criu_that_is_gone_for_a_while(self):
        with harness.Node(*PLAIN, "--blocked-after", "200ms").start() as node:
            node.deploy("sleeps", "misfits", "handler.sleeps")
            request = node.submit("sleeps", {"seconds": 5})
            node.wait_for(state="SUSPENDED")
            node.kill9()
            node.start("--criu", "/nowhere/criu")
            row = harness.eventually(lambda: self.stranded(node), 60, "a failed resume")
            self.assertEqual(row["state"], "SUSPENDED")
            self.assertIn("CRIU is not there", row["reason"])
            self.check_error(node.godwit("resume", row["instance"]), 4, "CRIU", "godwit doctor")
            self.assertEqual(node.stop(), 0)
            node.start()
            record = node.result(request)
            self.assertEqual((record["status"], record["result"], record["attempt"]),
                             ("SUCCEEDED", "slept", 1))


if __name__ == "__main__":
    harness.main()
