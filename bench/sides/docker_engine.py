"""A Docker Engine for the bench and the tests alone, from Debian's packages, without installing
anything.

The packages are downloaded by apt and unpacked into build/bench/docker; the daemon runs from there
with a data folder, a socket and a control group driver of its own, no network, no iptables.

    with Engine(folder, cache, criu) as engine:
        engine.import_image()
        engine.start_container().pause()

Fails with NoEngine, with the reason, when it cannot be had here.
"""
import glob
import http.client
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time

from sides.failed import Failed
from sides.node import end_process

PACKAGES = ["docker.io", "containerd", "runc", "libdevmapper1.02.1"]
# CRIU, as runc calls it, locks the container's network with it.
PACKAGES += ["iptables", "libip4tc2", "libip6tc2", "libxtables12", "libnftnl11", "libmnl0"]
PATIENCE = 60  # seconds, for the daemon to come up
SETTLE = 0.5  # seconds for a container's process to come to rest
IMAGE = "godwit-bench"
HOST_IMAGE = "godwit-bench-host"
# Loads what Godwit's Python runtime loads, then waits as an idle function does.
PROGRAM = "import json, os, sys, traceback, _socket, signal; signal.pause()"


class NoEngine(Failed):
    pass


def fetch(cache):
    """The root of the unpacked packages."""
    root = os.path.join(cache, "root")
    if os.path.exists(os.path.join(root, "usr/sbin/dockerd")):
        return root
    if not shutil.which("apt-get"):
        raise NoEngine("apt-get is not here to fetch Debian's docker.io")
    packages = os.path.join(cache, "packages")
    os.makedirs(packages, exist_ok=True)
    command = ["apt-get", "download", "-o", "APT::Sandbox::User=root", *PACKAGES]
    done = subprocess.run(command, cwd=packages, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NoEngine(f"apt does not give Debian's docker.io: {done.stderr.strip()[-200:]}")
    for package in glob.glob(os.path.join(packages, "*.deb")):
        subprocess.run(["dpkg-deb", "-x", package, root], check=True)
    for name in ("iptables-restore", "ip6tables-restore"):  # an alternative, not in the package
        os.symlink("xtables-nft-multi", os.path.join(root, "usr/sbin", name))
    return root


def python_image():
    """A tar of what the host's Python needs, and of nothing else."""
    python = os.path.realpath("/usr/bin/python3")
    loads = subprocess.run(["ldd", python], capture_output=True, text=True, check=True).stdout
    paths = {python, *re.findall(r"(/\S+) \(0x", loads)}
    library = f"/usr/lib/{os.path.basename(python)}"
    paths.update(glob.glob(f"{library}/*.py") + glob.glob(f"{library}/lib-dynload/*.so"))
    for package in ("collections", "encodings", "json", "re", "importlib"):
        paths.update(glob.glob(f"{library}/{package}/*.py"))
    image = io.BytesIO()
    with tarfile.open(fileobj=image, mode="w", dereference=True) as tar:
        for path in sorted(paths):
            tar.add(path, path.lstrip("/"))
    return image.getvalue()


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("docker", timeout=PATIENCE)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Container:
    """What it takes is the Engine's answer, as its callers see it; milliseconds."""

    def __init__(self, engine, name):
        self.engine = engine
        self.name = name

    def _timed(self, path, body=None):
        begun = time.perf_counter()
        self.engine.ask("POST", f"/containers/{self.name}/{path}", body)
        return (time.perf_counter() - begun) * 1e3

    def start(self):
        return self._timed("start")

    def pause(self):
        return self._timed("pause")

    def unpause(self):
        return self._timed("unpause")

    def checkpoint(self, label):
        return self._timed("checkpoints", {"CheckpointID": label, "Exit": True})

    def wait_until_stopped(self):
        self.engine.ask("POST", f"/containers/{self.name}/wait")

    def restore(self, label):
        return self._timed(f"start?checkpoint={label}")

    def state(self):
        return json.loads(self.engine.ask("GET", f"/containers/{self.name}/json"))["State"]

    def log(self):
        return self.engine.ask("GET", f"/containers/{self.name}/logs?stdout=1&stderr=1")

    def memory_mib(self):
        """What its control group is charged with. The Engine's own statistics are often empty."""
        with open(f"/proc/{self.state()['Pid']}/cgroup", encoding="ascii") as lines:
            groups = dict(line.strip().split(":", 2)[1:] for line in lines)
        for path in (
            f"/sys/fs/cgroup/memory{groups.get('memory')}/memory.usage_in_bytes",
            f"/sys/fs/cgroup{groups.get('')}/memory.current",
        ):
            if os.path.exists(path):
                with open(path, encoding="ascii") as number:
                    return int(number.read()) / 2**20
        raise NoEngine(f"the container's control groups are not to be found: {groups}")


# Becomes what follows, with an /etc of its own in which CRIU has no configuration but ours.
PRIVATE_ETC = """set -e
mkdir "$1" && mount -t tmpfs etc "$1" && mkdir "$1/upper" "$1/work"
mount -t overlay -o "lowerdir=/etc,upperdir=$1/upper,workdir=$1/work" etc /etc
rm -rf /etc/criu && mkdir /etc/criu
shift && exec "$@"
"""


class Engine:
    """With `private_etc`, `runc_conf` is a file that says how runc is to ask CRIU."""

    def __init__(self, folder, cache, criu, private_etc=False):
        self.folder = folder
        self.cache = cache
        self.criu = criu
        self.private_etc = private_etc

    @property
    def runc_conf(self):
        return f"/proc/{self.process.pid}/root/etc/criu/runc.conf"

    def __enter__(self):
        root = fetch(self.cache)
        os.makedirs(self.folder)
        # The path of a unix socket may have 107 bytes.
        self.run = tempfile.mkdtemp(prefix="godwit-docker-")
        self.socket = os.path.join(self.run, "socket")
        self.log = os.path.join(self.folder, "log")
        self.root = root
        self.launch()
        return self

    def launch(self):
        """Starts the daemon, for the first time or after kill()."""
        root = self.root
        programs = [f"{root}/usr/bin", f"{root}/usr/sbin", os.path.dirname(self.criu or "/")]
        libraries = glob.glob(f"{root}/lib/*-linux-gnu") + glob.glob(f"{root}/usr/lib/*-linux-gnu")
        environment = {
            **os.environ,
            "PATH": ":".join(programs + [os.environ["PATH"]]),
            "LD_LIBRARY_PATH": ":".join(libraries),
            "XTABLES_LIBDIR": next(iter(glob.glob(f"{root}/usr/lib/*/xtables")), ""),
        }
        command = [f"{root}/usr/sbin/dockerd", "--experimental", "--storage-driver=vfs"]
        command += ["--iptables=false", "--ip6tables=false", "--ip-forward=false"]
        command += ["--ip-masq=false", "--bridge=none", "--exec-opt=native.cgroupdriver=cgroupfs"]
        command += [f"--data-root={self.folder}/data", f"--exec-root={self.run}/exec"]
        command += [f"--pidfile={self.run}/pid", f"--host=unix://{self.socket}"]
        if self.private_etc:
            words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", PRIVATE_ETC]
            command = words + ["sh", f"{self.run}/etc"] + command
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        try:
            self._await()
        except NoEngine:
            self.__exit__()
            raise

    def kill(self):
        """As a crash does, with its containerd: its containers go on."""
        with open(f"{self.run}/exec/containerd/containerd.pid", encoding="ascii") as file:
            containerd = int(file.read())
        self.process.kill()
        self.process.wait()
        try:
            while True:  # its child no more, so that nobody can wait for it
                os.kill(containerd, signal.SIGKILL)
                time.sleep(0.01)
        except ProcessLookupError:
            pass
        for left in glob.glob(f"{self.run}/exec/containerd/containerd.pid"):
            os.remove(left)

    def __exit__(self, *_):
        # It ends its containers and its containerd.
        end_process(self.process, PATIENCE)
        self._sweep()
        shutil.rmtree(self.run, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _sweep(self):
        """What it forgets at times: shims of restored containers, mounts of a killed daemon."""
        for path in glob.glob("/proc/[0-9]*/cmdline"):
            try:
                with open(path, encoding="utf-8", errors="replace") as file:
                    words = file.read().split("\0")
                ours = words[-2:-1] == [f"{self.run}/exec/containerd/containerd.sock"]
                if ours and "containerd-shim" in words[0]:
                    os.kill(int(path.split("/")[2]), signal.SIGKILL)
            except OSError:
                pass  # it has ended
        with open("/proc/self/mounts", encoding="utf-8") as lines:
            points = [line.split()[1] for line in lines]
        for point in reversed(points):
            if point.startswith((f"{self.folder}/", f"{self.run}/")):
                subprocess.run(["umount", "--lazy", point], check=False)

    def _await(self):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                self.ask("GET", "/_ping")
                return
            except OSError:
                time.sleep(0.1)
        with open(self.log, encoding="utf-8", errors="replace") as log:
            last = log.read().strip().splitlines()[-1:]
        raise NoEngine(f"dockerd does not start: {''.join(last)[-200:]}")

    def ask(self, method, path, body=None):
        headers = {}
        if isinstance(body, dict):
            body, headers = json.dumps(body), {"Content-Type": "application/json"}
        elif body is not None:
            headers = {"Content-Type": "application/x-tar"}
        connection = UnixConnection(self.socket)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        if response.status >= 300:
            raise NoEngine(f"{method} {path}: {response.status} {text.decode()[-300:]}")
        return text

    def import_image(self):
        self.ask("POST", f"/images/create?fromSrc=-&repo={IMAGE}", python_image())

    def start_container(self, first="pass"):
        """A Python that does `first` and waits."""
        settings = {
            "Image": IMAGE,
            "Cmd": [os.path.realpath("/usr/bin/python3"), "-c", f"{first}; {PROGRAM}"],
            "HostConfig": {"NetworkMode": "none"},
        }
        made = json.loads(self.ask("POST", "/containers/create", settings))
        container = Container(self, made["Id"])
        container.start()
        time.sleep(SETTLE)
        return container

    def import_host(self):
        """An image that holds nothing but the way into the host's /usr: see run_host()."""
        image = io.BytesIO()
        with tarfile.open(fileobj=image, mode="w") as tar:
            for name in ("bin", "sbin", "lib", "lib64"):
                link = tarfile.TarInfo(name)
                link.type, link.linkname = tarfile.SYMTYPE, f"usr/{name}"
                tar.addfile(link)
            tar.add("/etc/ld.so.cache", "etc/ld.so.cache")
            tar.add("/etc/alternatives", "etc/alternatives")  # NumPy's libblas is behind them
        self.ask("POST", f"/images/create?fromSrc=-&repo={HOST_IMAGE}", image.getvalue())

    def start_host(self, command):
        """A container that runs a program of the host's, with nothing to lose."""
        settings = {
            "Image": HOST_IMAGE,
            "Cmd": command,
            "HostConfig": {"NetworkMode": "none", "Binds": ["/usr:/usr:ro"]},
        }
        made = json.loads(self.ask("POST", "/containers/create", settings))
        container = Container(self, made["Id"])
        container.start()
        return container

    def run_host(self, command, folder):
        """What `docker run --rm` does: create, start, wait for the end, remove. Milliseconds."""
        settings = {
            "Image": HOST_IMAGE,
            "Cmd": command,
            "WorkingDir": "/var/task",
            "HostConfig": {
                "NetworkMode": "none",
                "Binds": ["/usr:/usr:ro", f"{folder}:/var/task:ro"],
            },
        }
        begun = time.perf_counter()
        made = json.loads(self.ask("POST", "/containers/create", settings))
        container = Container(self, made["Id"])
        container.start()
        ended = json.loads(self.ask("POST", f"/containers/{container.name}/wait"))
        took = (time.perf_counter() - begun) * 1e3
        self.remove(container)
        if ended["StatusCode"] != 0:
            raise NoEngine(f"docker run of {command} ended with {ended['StatusCode']}")
        return took

    def remove(self, container):
        self.ask("DELETE", f"/containers/{container.name}?force=1")
