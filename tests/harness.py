"""A real node, and what a user does with it, for the whole-system tests.

A Node is one `godwit node` of the binary GODWIT_BINARY, on a store of its own and a port that the
kernel chose. Node.godwit() runs a verb and prints it with its output, so that a test's output reads
as a session at a terminal. Needs root; a test program without it ends with 77, which ctest shows as
skipped. Whatever a test started is gone when it ends: nodes die with the test program, and stores
that a killed program left are removed by the next one.
"""
import atexit
import collections
import concurrent.futures
import contextlib
import datetime
import hashlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
FUNCTIONS = ROOT / "tests" / "functions"
EXAMPLES = ROOT / "examples"
PREFIX = "godwit-system-"
SKIPPED = 77
# No templates: nothing runs or lies about but what the test has asked for.
PLAIN = ("--prebake", "off")
CGROUPS = pathlib.Path("/sys/fs/cgroup")

# A node in a mount namespace of its own, in which the kernel's boot id is the first word.
OTHER_BOOT = ("unshare", "-m", "sh", "-c",
              'echo "$0" > "$1.boot" && mount --bind "$1.boot" /proc/sys/kernel/random/boot_id && '
              'shift && exec "$@"')

# Whether the program has the points of src/base/fault.h.
FAULTS = os.environ.get("GODWIT_FAULTS", "ON") == "ON"

Done = collections.namedtuple("Done", "code out err seconds")

_nodes = []
_print_lock = threading.Lock()


def binary():
    return os.environ.get("GODWIT_BINARY", str(ROOT / "build" / "dev" / "godwit"))


def say(text):
    with _print_lock:
        print(text, flush=True)


def seconds_of(moment):
    """Seconds since the epoch of a time as `ps` writes it."""
    return datetime.datetime.fromisoformat(moment).timestamp()


def eventually(look, within=30.0, what="it"):
    """The first true value that `look` returns; AssertionError if there is none in time."""
    end = time.monotonic() + within
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come to pass within {within:g} s")
        time.sleep(0.05)


def last(look, within):
    """What `look` saw when it said (seen, True), or at the end of the time."""
    end = time.monotonic() + within
    while True:
        seen, enough = look()
        if enough or time.monotonic() > end:
            return seen
        time.sleep(0.05)


def environment(**more):
    """What programs of the tests see: Debian's own programs, no user's configuration."""
    kept = {key: value for key, value in os.environ.items()
            if not key.startswith(("AWS_", "GODWIT_", "PYTHON"))}
    kept.update(PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                LC_ALL="C.UTF-8", AWS_ACCESS_KEY_ID="AKIAIOSFODNN7EXAMPLE",
                AWS_SECRET_ACCESS_KEY="secret", AWS_REGION="us-east-1",
                AWS_DEFAULT_REGION="us-east-1", AWS_PAGER="",
                AWS_EC2_METADATA_DISABLED="true", AWS_CONFIG_FILE="/dev/null",
                AWS_SHARED_CREDENTIALS_FILE="/dev/null")
    kept.update(more)
    return kept


def run(argv, **options):
    """Runs a program to its end and prints it as typed, with what it printed."""
    begun = time.monotonic()
    quiet = options.pop("quiet", False)
    runner = options.pop("runner", subprocess.run)
    options.setdefault("env", environment())
    options.setdefault("timeout", 240)
    done = runner(argv, capture_output=True, text=True, **options)
    seconds = time.monotonic() - begun
    if not quiet:
        typed = " ".join(str(word) for word in argv).replace(binary(), "godwit")
        say(f"$ {typed}\n{_short(done.stdout)}{_short(done.stderr)}".rstrip())
    return Done(done.returncode, done.stdout, done.stderr, seconds)


def _short(text, most=2000):
    return text if len(text) <= most else f"{text[:most]}… ({len(text)} characters)\n"


def new_home():
    """A folder for one node, removed with it."""
    return pathlib.Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))


class Node:
    """One node on one store, started and killed as often as a test wants."""

    def __init__(self, *flags, home=None, wrap=()):
        """`wrap` are words before the program: a command that becomes it, such as `unshare -m`."""
        self.wrap = wrap
        self.home = pathlib.Path(home or new_home())
        self.data = self.home / "data"
        self.log_path = self.home / "node.log"
        self.flags = flags
        self.variables = {}  # of its environment, from its next start on
        self.process = None
        self.endpoint = None
        _nodes.append(self)

    # Its life.

    def start(self, *flags, fault=None, within=60):
        """Starts it and waits until it serves. `fault`: see src/base/fault.h."""
        self.launch(*flags, fault=fault)
        eventually(lambda: self.endpoint_of_log() or self.process.poll() is not None, within,
                   "the node's start")
        self.endpoint = self.endpoint_of_log()
        if self.endpoint is None:
            raise AssertionError(f"the node ended with {self.process.returncode}: {self.log()}")
        return self

    def launch(self, *flags, fault=None, listen="127.0.0.1:0"):
        argv = [binary(), "node", "--data", str(self.data), "--listen", listen, *self.flags, *flags]
        say(f"$ {'GODWIT_FAULT=' + fault + ' ' if fault else ''}godwit {' '.join(argv[1:])} &")
        env = environment(**self.variables, **({"GODWIT_FAULT": fault} if fault else {}))
        self.log_from = self.log_path.stat().st_size if self.log_path.exists() else 0
        with open(self.log_path, "ab") as log:
            self.process = self.spawn(
                ["setpriv", "--pdeathsig", "KILL", *self.wrap, *argv], stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, env=env)

    def endpoint_of_log(self):
        found = re.search(r" serves (\S+) from ", self.log())
        if found is None:
            return None
        return found[1] if "://" in found[1] else "http://" + found[1]

    def log(self):
        """What it has said since its last start."""
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            log.seek(self.log_from)
            return log.read()

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def stop(self, within=60):
        """SIGTERM; its exit code."""
        if self.alive():
            say(f"$ kill {self.process.pid}  # the node")
            self.process.terminate()
        return self.process.wait(within)

    def boot_again(self):
        """Starts it, after what looks to it like a reboot of the machine."""
        self.wrap = (*OTHER_BOOT, "00000000-0000-4000-8000-000000000000", str(self.home / "id"))
        return self.start()

    def kill9(self):
        say(f"$ kill -9 {self.process.pid}  # the node")
        self.process.kill()
        self.process.wait()

    def died(self, within=60):
        """Waits until it has ended by itself; its exit code."""
        return self.process.wait(within)

    def close(self):
        """Ends it and removes all of it; raises if something was in the way."""
        if self in _nodes:
            _nodes.remove(self)
        if self.alive():
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        remove_home(self.home)

    def __enter__(self):
        return self if self.process else self.start()

    def __exit__(self, *_):
        self.close()

    # Where its programs and its users' connections are; the test bed has them elsewhere.

    def spawn(self, argv, **options):
        return subprocess.Popen(argv, **options)

    def run(self, argv, **options):
        return run(argv, **options)

    def connection(self, timeout):
        return http.client.HTTPConnection(self.endpoint.removeprefix("http://"), timeout=timeout)

    # Its users.

    def godwit(self, *words, quiet=False, **options):
        """A verb, as a user types it."""
        env = environment(GODWIT_ENDPOINT=self.endpoint)
        return self.run([binary(), *map(str, words)], env=env, quiet=quiet, **options)

    def ok(self, *words, **options):
        """A verb that must do: its output, without the line's end."""
        done = self.godwit(*words, **options)
        if done.code != 0:
            raise AssertionError(f"godwit {' '.join(map(str, words))} ended with {done.code}: "
                                 f"{done.err.strip()}")
        return done.out.rstrip("\n")

    def json(self, *words, **options):
        return json.loads(self.ok(*words, "--json", quiet=True, **options))

    def later(self, *words):
        """The same at the side: a Future of a Done."""
        future = concurrent.futures.Future()

        def work():
            try:
                future.set_result(self.godwit(*words))
            except BaseException as error:  # pylint: disable=broad-except
                future.set_exception(error)
        threading.Thread(target=work, daemon=True).start()
        return future

    @contextlib.contextmanager
    def following(self, name, *words):
        """The lines of `godwit logs NAME --follow`, as they come."""
        follower = self.spawn(
            [binary(), "logs", name, "--follow", *words], stdout=subprocess.PIPE, text=True,
            env=environment(GODWIT_ENDPOINT=self.endpoint))
        try:
            yield iter(follower.stdout.readline, "")
        finally:
            follower.terminate()
            follower.wait()
            follower.stdout.close()

    def deploy(self, name, folder=None, handler=None, **settings):
        """Deploys tests/functions/`folder` (or a whole path) as `name`."""
        words = ["deploy", FUNCTIONS / (folder or name), "--name", name]
        words += ["--handler", handler] if handler else []
        for key, value in settings.items():
            words += [f"--{key}", value]
        return self.ok(*words, quiet=True)

    def invoke(self, function, event=None, **options):
        """A call that must succeed: its answer, parsed."""
        return json.loads(self.ok("invoke", function, json.dumps(event or {}), **options))

    def submit(self, function, event=None):
        return self.ok("invoke", function, json.dumps(event or {}), "--async", quiet=True)

    def result(self, request, wait=True):
        """The record of an Event call, as --json has it; it may be of a failed one."""
        words = ["result", request, "--json"] + (["--wait"] if wait else [])
        done = self.godwit(*words, quiet=True, timeout=90)
        return json.loads(done.out)

    def ps(self, **like):
        """The instances of which `like` is true, as `godwit ps --json` has them."""
        status, _, body = self.request("GET", "/godwit/v1/instances")
        assert status == 200, body
        rows = json.loads(body)
        return [row for row in rows if all(row[key] == value for key, value in like.items())]

    def wait_for(self, within=30.0, count=1, **like):
        """Waits until `count` instances are as `like` says; returns them (one: that one)."""
        rows = eventually(lambda: len(found := self.ps(**like)) >= count and found, within,
                          f"{count} × {like}")
        return rows[0] if count == 1 else rows

    def request(self, method, path, body=None, headers=None, timeout=240):
        """A bare HTTP request: (status, headers, body)."""
        connection = self.connection(timeout)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()

    def aws(self, *words, **options):
        """The real AWS CLI."""
        return self.run(["/usr/bin/aws", "--endpoint-url", self.endpoint, "lambda",
                         *map(str, words)], **options)

    def boto3(self):
        import boto3  # pylint: disable=import-outside-toplevel
        from botocore.config import Config  # pylint: disable=import-outside-toplevel
        return boto3.client("lambda", endpoint_url=self.endpoint, region_name="us-east-1",
                            aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
                            aws_secret_access_key="secret",
                            config=Config(retries={"max_attempts": 0}, read_timeout=240))

    # What it costs the machine.

    def rss(self):
        """Bytes of memory that the daemon itself holds."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024

    def cgroups(self, instance=None):
        """The directories of its control groups, or of those of one instance."""
        return cgroups_of(self.data, instance)

    def cgroup_memory(self, instance):
        """Bytes charged to the instance's control group, as the kernel has it; 0 without one."""
        for directory in self.cgroups(instance):
            for name in ("memory.usage_in_bytes", "memory.current"):
                if (directory / name).exists():
                    return int((directory / name).read_text(encoding="ascii"))
        return 0

    def cgroup_pids(self, instance):
        return [int(pid) for directory in self.cgroups(instance)
                for pid in (directory / "cgroup.procs").read_text(encoding="ascii").split()]


def process_of(pid):
    """Which process has this pid now: when it was started, in ticks since boot; None: none has."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return stat.rsplit(")", 1)[1].split()[19]


def cgroups_of(data, instance=None):
    name = "godwit-" + hashlib.sha256(os.path.realpath(data).encode()).hexdigest()[:12]
    found = []
    for top, folders, _ in os.walk(CGROUPS):
        if name in folders:
            found.append(pathlib.Path(top) / name)
            folders.remove(name)
    if instance is None:
        return found
    return [directory / instance for directory in found if (directory / instance).is_dir()]


def thaw(home):
    """Lets go who is frozen in the control groups of a store; a kill reaches them only then."""
    for directory in cgroups_of(home / "data"):
        for state in directory.glob("*/freezer.state"):
            try:
                state.write_text("THAWED", encoding="ascii")
            except OSError:
                pass  # it is gone


def mounts_below(path):
    """Mount points at or below `path` that this program sees."""
    lines = pathlib.Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    points = [line.split()[4] for line in lines]
    return [point for point in points if (point + "/").startswith(str(path) + "/")]


def remove_home(home):
    """Removes a store and its control groups; what runs in them must have ended, or been killed."""
    def empty():
        thaw(home)
        for directory in cgroups_of(home / "data"):
            for child in [*directory.iterdir(), directory]:
                if child.is_dir():
                    try:
                        child.rmdir()
                    except OSError:
                        return False
        return True
    eventually(empty, 20, f"the end of the control groups of '{home}'")
    left = mounts_below(home)
    if left:
        raise AssertionError(f"mounts are left: {left}")
    shutil.rmtree(home)


def _sweep():
    """Removes what test programs left that were killed."""
    for home in pathlib.Path(tempfile.gettempdir()).glob(PREFIX + "*"):
        owner = home.name.removeprefix(PREFIX).split("-")[0]
        if owner.isdigit() and not pathlib.Path(f"/proc/{owner}").exists():
            try:
                remove_home(home)
            except (OSError, AssertionError):
                pass  # somebody else sweeps too


def _close_all():
    for node in list(_nodes):
        node.close()


def _terminated(*_):
    """At once, whatever the tests are doing: unittest would take an exception for a failure."""
    for node in list(_nodes):
        if node.alive():
            node.process.kill()
            node.process.wait()
        remove_home(node.home)
    os._exit(143)


class Errors:
    """What every error of the program looks like."""

    def check_error(self, done, code, *words):
        """`done` is an error with this exit code, in the one form, that says all of `words`."""
        self.assertEqual(done.code, code, done)
        self.assertRegex(done.err.splitlines()[-1], r"^godwit: cannot ([^:']|'[^']*')+: .+$")
        for word in words:
            self.assertIn(word, done.err)


class NodeCase(Errors, unittest.TestCase):
    """A class of tests that share one node, started with `flags`."""

    flags = ()
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.node = Node(*cls.flags).start()
        cls.addClassCleanup(cls.node.close)


class _Result(unittest.TextTestResult):
    """Shows the nodes' logs with each failure."""

    def startTest(self, test):
        say(f"\n=== {test.id().removeprefix('__main__.')}")
        super().startTest(test)

    def _show_logs(self):
        for node in _nodes:
            if node.log_path.exists():
                say(f"--- the log of {node.data}\n{_short(node.log(), 8000)}")

    def addError(self, test, err):
        self._show_logs()
        super().addError(test, err)

    def addFailure(self, test, err):
        self._show_logs()
        super().addFailure(test, err)


def enter_own_network():
    """Starts this program again where there is no network but its own: a loopback device, and what
    its nodes make. All that it starts is there too, and the machine's network stays as it is."""
    if "GODWIT_OWN_NETWORK" not in os.environ:
        os.environ["GODWIT_OWN_NETWORK"] = "1"
        os.execvp("unshare", ["unshare", "--net", sys.executable, "-B", *sys.argv])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def main(own_network=False):
    if os.geteuid() != 0:
        print("skipped: sandboxes need root")
        sys.exit(SKIPPED)
    if own_network:
        enter_own_network()
    atexit.register(_close_all)
    signal.signal(signal.SIGTERM, _terminated)
    _sweep()
    unittest.main(testRunner=unittest.TextTestRunner(resultclass=_Result, stream=sys.stdout,
                                                     verbosity=0))
