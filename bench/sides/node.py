"""A Godwit node of one's own: a release binary, a folder that goes away with it, a free port.

    with Node(binary, folder) as node:
        node.deploy("greeter", "examples/greeter")
        node.invoke("greeter", b"{}")

One keep-alive connection, so that what is timed is the node's work and not a TCP handshake; a
thread of its own needs a Client of its own. Fails with NodeFailed, which carries the node's log.
"""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time

from sides.failed import Failed

PATIENCE = 120  # seconds, for what must come


class NodeFailed(Failed):
    pass


class Client:
    """Who talks to a node, on one connection."""

    def __init__(self, address, patience=PATIENCE):
        self.address = address
        self.http = self.connect(patience)

    def connect(self, patience=PATIENCE):
        connection = http.client.HTTPConnection(self.address, timeout=patience)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def ask(self, method, path, body=b"", headers=None, want=(200, 202)):
        response, text = self.exchange(method, path, body, headers or {})
        self.headers = response.headers
        failed = response.status not in want or response.headers["X-Amz-Function-Error"]
        if failed:
            raise NodeFailed(f"{method} {path}: {response.status} {text.decode()}")
        return text

    def exchange(self, *request):
        """The response and its body. The node closes a connection after a minute without a word:
        then it asks once more on a new one, as any client does."""
        for chance in (1, 0):
            try:
                self.http.request(*request)
                response = self.http.getresponse()
                return response, response.read()
            except (OSError, http.client.HTTPException) as error:
                self.http.close()  # the next request opens it again
                if not chance or not isinstance(error, ConnectionError):
                    raise

    def limit(self, name, instances):
        body = json.dumps({"ReservedConcurrentExecutions": instances}).encode()
        self.ask("PUT", f"/2017-10-31/functions/{name}/concurrency", body)

    def remove(self, name):
        self.ask("DELETE", f"/2015-03-31/functions/{name}", want=(204,))

    def invoke(self, name, event=b"{}"):
        return self.ask("POST", path_of(name), event)

    def start_call(self, name, event=b"{}"):
        """An Event call: accepted, and nobody waits for it. Its request id."""
        self.ask("POST", path_of(name), event, {"X-Amz-Invocation-Type": "Event"})
        return self.headers["X-Amzn-RequestId"]

    def result(self, request):
        """What the call answered; None while it has not. Fails if it failed."""
        record = json.loads(self.ask("GET", f"/godwit/v1/invocations/{request}"))
        if record["status"] == "FAILED":
            raise NodeFailed(f"call {request} failed: {record}")
        return record["result"] if record["status"] == "SUCCEEDED" else None

    def instances(self):
        return json.loads(self.ask("GET", "/godwit/v1/instances"))

    def states(self):
        """How many instances there are in each state."""
        return json.loads(self.ask("GET", "/godwit/v1/node"))["instances"]

    def move(self, verb, instance):
        """suspend or resume: the report, with what it took as the caller saw it."""
        begun = time.perf_counter()
        report = json.loads(self.ask("POST", f"/godwit/v1/instances/{instance}/{verb}"))
        report["wall_ms"] = (time.perf_counter() - begun) * 1e3
        return report

    def rss_mib(self):
        return json.loads(self.ask("GET", "/godwit/v1/node"))["rss_bytes"] / 2**20


class Node(Client):
    def __init__(self, binary, folder, flags=()):  # pylint: disable=super-init-not-called
        self.binary = binary
        self.folder = folder
        self.flags = flags

    def __enter__(self):
        os.makedirs(self.folder)
        self.log = os.path.join(self.folder, "node.log")
        data = os.path.join(self.folder, "data")
        command = [self.binary, "node", "--data", data, "--listen", "127.0.0.1:0", *self.flags]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stderr=log, stdout=log)
        try:
            super().__init__(wait_for(self._address, "the node to serve"))
        except NodeFailed:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        end_process(self.process)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _address(self):
        with open(self.log, encoding="utf-8") as log:
            text = log.read()
        if self.process.poll() is not None:
            raise NodeFailed(f"the node ended:\n{text}")
        found = re.search(r" serves (\S+:\d+) from ", text)
        return found and found.group(1)

    @property
    def pid(self):
        return self.process.pid

    def url(self, function):
        return f"http://{self.address}{path_of(function)}"

    def deploy(self, name, folder, *flags):
        command = [self.binary, "deploy", folder, "--name", name, *flags]
        command += ["--endpoint", f"http://{self.address}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise NodeFailed(done.stderr)


def path_of(function):
    return f"/2015-03-31/functions/{function}/invocations"


def end_process(process, patience=PATIENCE):
    """Asks it to end; kills it if it does not."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_for(look, what, patience=PATIENCE):
    """What `look` returns, once it is something."""
    end = time.monotonic() + patience
    while not (seen := look()):
        if time.monotonic() > end:
            raise NodeFailed(f"waited {patience} s for {what}")
        time.sleep(0.02)
    return seen
