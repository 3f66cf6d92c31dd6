"""For the tests of the runtimes: a function's process, and the other end of its Runtime API.

    with Function("python3", {"handler.py": "..."}, "handler.main") as function:
        answer = function.call({"name": "edge"})

Everything happens in the test's own thread, in the order in which it is written. The time-outs only
keep a failing test from hanging.
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
COMMANDS = {
    "python3": ["/usr/bin/python3", f"{HERE}/python3/bootstrap.py"],
    "nodejs": ["/usr/bin/node", f"{HERE}/nodejs/bootstrap.js"],
}
PATIENCE = 60  # seconds
NEXT = "/2018-06-01/runtime/invocation/next"
ARN = "arn:aws:lambda:eu-west-1:000000000000:function:f"
ACCEPTED = b'HTTP/1.1 202 Accepted\r\nContent-Length: 16\r\n\r\n{"status":"OK"}\n'


class Request:
    def __init__(self, head, body):
        lines = head.decode().split("\r\n")
        self.method, self.path, _ = lines[0].split(" ")
        pairs = (line.split(":", 1) for line in lines[1:])
        self.headers = {name.lower(): value.strip() for name, value in pairs}
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error_type(self):
        """What both the header and the error object say it is."""
        assert self.path.endswith("/error"), f"{self.path} {self.body[:500]}"
        assert (
            self.headers["lambda-runtime-function-error-type"] == self.json["errorType"]
        ), self.headers
        return self.json["errorType"]


class Function:
    def __init__(self, runtime, files, handler, environment=None, command=None):
        self.folder = tempfile.mkdtemp(prefix="godwit-runtimes-")
        self.task = os.path.join(self.folder, "task")
        for name, text in files.items():
            path = os.path.join(self.task, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        os.makedirs(self.task, exist_ok=True)
        self.log_path = os.path.join(self.folder, "log")
        self.deadline_path = os.path.join(self.folder, "deadline")
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(PATIENCE)
        self.connection = None
        self.received = b""
        self.asked = False  # the function waits for an event
        self.count = 0
        address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.process = self._start(
            command or COMMANDS[runtime], address, handler, environment or {}
        )

    def _start(self, command, address, handler, environment):
        given = {
            "PATH": "/usr/bin:/bin",
            "PYTHONDONTWRITEBYTECODE": "1",
            "AWS_LAMBDA_RUNTIME_API": address,
            "AWS_LAMBDA_FUNCTION_NAME": "f",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f",
            "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
            "AWS_REGION": "eu-west-1",
            "LAMBDA_TASK_ROOT": self.task,
            "GODWIT_DEADLINE_FILE": self.deadline_path,
            "_HANDLER": handler,
        }
        with open(self.log_path, "ab") as log:
            return subprocess.Popen(
                command,
                cwd=self.task,
                env={**given, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.hang_up()
        self.listener.close()
        shutil.rmtree(self.folder)

    def receive(self):
        """The next Request, or None if the function closed the connection."""
        if self.connection is None:
            self.connection, _ = self.listener.accept()
            self.connection.settimeout(PATIENCE)
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while (end := self.received.find(b"\r\n\r\n")) < 0:
            if not self._fill():
                return None
        request = Request(self.received[:end], b"")
        size = int(request.headers.get("content-length", 0))
        pieces, have = [self.received[end + 4 :]], len(self.received) - end - 4
        while have < size:
            pieces.append(self.connection.recv(1 << 20))
            have += len(pieces[-1])
        rest = b"".join(pieces)
        request.body, self.received = rest[:size], rest[size:]
        return request

    def _fill(self):
        try:
            data = self.connection.recv(1 << 20)
        except ConnectionResetError:
            data = b""
        self.received += data
        return data

    def send(self, data):
        self.connection.sendall(data)

    def await_next(self):
        """Returns when the function has asked for an event."""
        if not self.asked:
            request = self.receive()
            assert request is not None, f"the function ended: {self.log()}"
            assert (request.method, request.path) == (
                "GET",
                NEXT,
            ), f"{request.path} {request.body[:500]}"
        self.asked = True

    def event(self, event, headers=None):
        """The bytes of an invocation, and the time for another one."""
        self.count += 1
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        fields = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": self.request_id,
            "Lambda-Runtime-Deadline-Ms": "4102444800000",
            "Lambda-Runtime-Invoked-Function-Arn": ARN,
            "Content-Length": str(len(body)),
            **(headers or {}),
        }
        head = "".join(
            f"{name}: {value}\r\n" for name, value in fields.items() if value is not None
        )
        return b"HTTP/1.1 200 OK\r\n" + head.encode() + b"\r\n" + body

    @property
    def request_id(self):
        return f"00000000-0000-4000-8000-{self.count:012d}"

    def start_call(self, event, headers=None):
        self.await_next()
        self.asked = False
        self.send(self.event(event, headers))

    def call(self, event=None, headers=None, verdict=ACCEPTED):
        """Runs one invocation; returns the request that answers it."""
        self.start_call(event, headers)
        return self.finish_call(verdict)

    def finish_call(self, verdict=ACCEPTED):
        answer = self.receive()
        assert answer is not None, f"the function ended: {self.log()}"
        outcome = answer.path.rpartition("/")[2]
        assert outcome in ("response", "error"), answer.path
        assert (
            answer.path == f"/2018-06-01/runtime/invocation/{self.request_id}/{outcome}"
        ), answer.path
        # The question for the next event is there before the answer was accepted: they came
        # together.
        self.await_next()
        self.send(verdict)
        return answer

    def last_words(self):
        """The report of a function that ends: the request and the exit status."""
        request = self.receive()
        assert request is not None, f"the function ended without a word: {self.log()}"
        self.send(ACCEPTED)
        assert self.receive() is None, "the function goes on"
        return request, self.wait()

    def failed_start(self):
        request, status = self.last_words()
        assert request.path == "/2018-06-01/runtime/init/error", request.path
        assert status == 1, status
        return request

    def hang_up(self):
        if self.connection:
            self.connection.close()

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self):
        return self.process.wait(PATIENCE)

    def log(self):
        with open(self.log_path, encoding="utf-8") as file:
            return file.read()

    def freeze_and_thaw(self):
        """As around a checkpoint: all system calls are interrupted."""
        self.signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)
        self.signal(signal.SIGCONT)
