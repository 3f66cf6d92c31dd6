"""Namespaces without a name: a machine of the test bed, as far as its network, its processes and
its mounts go.

A Place is held by a thread of this program, which has left the machine's namespaces, and by a first
process inside, which dies with that thread. Nothing of it has a name or a file, so that all of it
(processes, devices, addresses, mounts) is gone when this program is, whatever ended it. Needs root.
"""
import ctypes
import os
import queue
import subprocess
import threading
import time

# linux/sched.h, sys/mount.h; Python has no names for them before 3.12.
CLONE_FS, CLONE_NEWNS, CLONE_NEWUTS = 0x200, 0x20000, 0x4000000
CLONE_NEWPID, CLONE_NEWNET = 0x20000000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000

_libc = ctypes.CDLL(None, use_errno=True)

# The first process. Orphans become its children; as it ignores SIGCHLD, the kernel buries them.
FIRST = """mount -t proc proc /proc && ip link set lo up &&
sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 &&
echo up && exec env --ignore-signal=CHLD sleep infinity"""


def _must(value, doing):
    if value != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"cannot {doing}: {os.strerror(error)}")


def _mount(source, target, flags):
    _must(_libc.mount(os.fsencode(source), os.fsencode(target), None, flags, None),
          f"mount '{target}'")


class Place:
    """`files`: what is seen instead of a file inside, as {path inside: path here}."""

    def __init__(self, name, files=None):
        self.name = name
        self._calls = queue.SimpleQueue()
        self._started = []
        # A child's PDEATHSIG comes when the thread that made it ends, so one thread makes them all.
        threading.Thread(target=self._serve, daemon=True, name=name).start()
        self._call(self._enter, files or {})
        self._first = self.popen(["setpriv", "--pdeathsig", "KILL", "sh", "-c", FIRST],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, cwd="/")
        said = self._first.stdout.readline()
        if said != b"up\n":
            raise OSError(f"cannot set up '{name}': {said.decode().strip()}")
        self._network = os.open(f"/proc/{self.pid}/ns/net", os.O_RDONLY)

    def _serve(self):
        while (work := self._calls.get()) is not None:
            function, arguments, options, answer = work
            try:
                answer.put((function(*arguments, **options), None))
            except BaseException as error:  # pylint: disable=broad-except
                answer.put((None, error))
            del work, function, arguments, options, answer

    def _call(self, function, *arguments, **options):
        answer = queue.SimpleQueue()
        self._calls.put((function, arguments, options, answer))
        value, error = answer.get()
        if error:
            raise error
        return value

    def _enter(self, files):
        # A thread has a mount namespace of its own only if it has a working directory of its own.
        _must(_libc.unshare(CLONE_FS | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWPID | CLONE_NEWNET),
              "leave the machine's namespaces (run as root)")
        _mount("none", "/", MS_REC | MS_PRIVATE)
        for inside, here in files.items():
            _mount(here, inside, MS_BIND)
        _must(_libc.sethostname(self.name.encode(), len(self.name.encode())), "name a machine")

    @property
    def pid(self):
        """Of its first process, as this program sees it."""
        return self._first.pid

    @property
    def network_path(self):
        return f"/proc/{self.pid}/ns/net"

    def alive(self):
        return self._first.poll() is None

    def popen(self, argv, **options):
        """subprocess.Popen inside. Its pid is that which this program sees."""
        process = self._call(subprocess.Popen, argv, **options)
        self._started = [one for one in self._started if one.returncode is None] + [process]
        return process

    def run(self, argv, input=None, timeout=None, check=False, capture_output=False, **options):
        """subprocess.run inside."""
        if input is not None:
            options["stdin"] = subprocess.PIPE
        if capture_output:
            options["stdout"] = options["stderr"] = subprocess.PIPE
        process = self.popen(argv, **options)
        try:
            out, err = process.communicate(input, timeout)
        except BaseException:
            process.kill()
            process.communicate()
            raise
        if check and process.returncode != 0:
            raise subprocess.CalledProcessError(process.returncode, argv, out, err)
        return subprocess.CompletedProcess(argv, process.returncode, out, err)

    def ok(self, line, **options):
        """A command line that must do, split at blanks; its output."""
        done = self.run(line.split(), capture_output=True, text=True, **options)
        if done.returncode != 0:
            raise OSError(f"cannot run '{line}' in '{self.name}': {done.stderr.strip()}")
        return done.stdout

    def inside(self, function, *arguments, **options):
        """Calls `function` in a thread of this program that is in the place's network; sockets that
        it makes stay in there. It may wait as long as it likes."""
        answer = queue.SimpleQueue()

        def work():
            try:
                _must(_libc.setns(self._network, CLONE_NEWNET), f"enter '{self.name}'")
                answer.put((function(*arguments, **options), None))
            except BaseException as error:  # pylint: disable=broad-except
                answer.put((None, error))
        threading.Thread(target=work, daemon=True).start()
        value, error = answer.get()
        if error:
            raise error
        return value

    def close(self, meanwhile=lambda: None):
        """Kills all that runs inside, at once, as a power cut does. What others hold of it (a TAP
        device, a socket) keeps its network until they let go. `meanwhile` is called until all is
        dead."""
        if self._network is None:
            return
        self._first.kill()
        # The first process of a namespace ends when all others are dead and buried, and those that
        # were started from here only this program buries.
        while None in [process.poll() for process in self._started]:
            meanwhile()
            time.sleep(0.005)  # nobody tells of the end of who is not a child
        self._first.stdout.close()
        os.close(self._network)
        self._network = None
        self._calls.put(None)
