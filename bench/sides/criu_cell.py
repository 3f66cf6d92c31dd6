"""Plain CRIU on one Python process, for comparison: started by plain_criu.py inside a cell.

The cell (unshare: own mounts, pids, network) gives CRIU what it is at its fastest with: a tmpfs on
/run, where it keeps what it has learnt about the kernel, and pids that nobody takes meanwhile. The
process is Godwit's own Python runtime, waiting at an idle connection to a toy Runtime API, as an
idle function of Godwit does. Obeys the words `dump`, `restore`, `watched`, `lazy` and `call EVENT`,
one a line on stdin, and answers each with a line of JSON.

    criu_cell.py CRIU IMAGES BOOTSTRAP TASK
"""
import ctypes
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from resident import Watch, anonymous  # pylint: disable=wrong-import-position

NEXT = b"invocation/next"
PR_SET_CHILD_SUBREAPER = 36
OPTIONS = ["--tcp-established", "--network-lock", "skip", "--file-locks", "--link-remap"]
PATIENCE = 10  # seconds, for a daemon to be there


class Cell:
    def __init__(self, criu, images, bootstrap, task):
        self.criu = criu
        self.images = images
        self.listener = socket.create_server(("127.0.0.1", 0))
        environment = {
            "PATH": "/usr/bin:/bin",
            "PYTHONDONTWRITEBYTECODE": "1",
            "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:%d" % self.listener.getsockname()[1],
            "AWS_LAMBDA_FUNCTION_NAME": "greeter",
            "LAMBDA_TASK_ROOT": task,
            "_HANDLER": "handler.handler",
        }
        process = subprocess.Popen(
            ["/usr/bin/python3", "-u", bootstrap],
            cwd=task,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.pid = process.pid
        self.connection, _ = self.listener.accept()
        self.hear()

    def hear(self):
        """What it says, until it asks for its next call."""
        heard = b""
        while NEXT not in heard:
            piece = self.connection.recv(4096)
            if not piece:
                raise RuntimeError(f"the function is gone, after {heard!r}")
            heard += piece
        return heard

    def call(self, event="{}"):
        """One invocation: its answer."""
        body = event.encode()
        head = "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: r\r\nContent-Length: %d\r\n\r\n"
        self.connection.sendall((head % len(body)).encode() + body)
        heard = self.hear()
        self.connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
        first, rest = heard.split(b"\r\n\r\n", 1)
        if b"/response" not in first:
            raise RuntimeError(f"the function answers {heard!r}")
        length = int(re.search(rb"(?i)content-length: (\d+)", first)[1])
        return json.loads(rest[:length])

    def forget(self):
        """The images are done with. Right before the next dump, their memory would be that which it
        writes to: where a hypervisor takes back what is free, other memory takes longer
        to write to, and Godwit has no other."""
        shutil.rmtree(self.images, ignore_errors=True)

    def dump(self):
        os.makedirs(self.images)
        self.whole = anonymous(self.pid)
        took = run(self.criu, "dump", "-t", str(self.pid), "-D", self.images, "-o", "dump.log",
                   *OPTIONS)
        reap()
        sizes = [entry.stat().st_size for entry in os.scandir(self.images)]
        return {"ms": took, "bytes": sum(sizes)}

    def restore(self, *options):
        return run(self.criu, "restore", "-d", "-D", self.images, "-o", "restore.log", *OPTIONS,
                   *options)

    def watched(self, *options):
        with Watch(lambda: anonymous(self.pid), self.whole) as watch:
            took = self.restore(*options)
            self.call()
            answered = watch.elapsed()
        return {"ms": took, "answered_ms": answered, "resident_ms": list(watch.reached.values())}

    def lazy(self):
        """Memory comes as it is touched, and the rest by and by, from a daemon that waits."""
        command = [self.criu, "lazy-pages", "-D", self.images, "-o", "lazy.log"]
        daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        try:
            end = time.monotonic() + PATIENCE
            while not os.path.exists(os.path.join(self.images, "lazy-pages.socket")):
                if daemon.poll() is not None or time.monotonic() > end:
                    raise RuntimeError("criu lazy-pages does not start")
                time.sleep(0.005)
            return self.watched("--lazy-pages")
        except RuntimeError:
            daemon.kill()
            raise
        finally:
            daemon.wait()  # it ends when all is there


def run(*command):
    begun = time.perf_counter()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    took = (time.perf_counter() - begun) * 1e3
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout.decode()}{done.stderr.decode()}")
    return took


def reap():
    """The process that CRIU has killed was our child, and so are those it has left to us."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def main(criu, images, bootstrap, task):
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    run("ip", "link", "set", "lo", "up")
    cell = Cell(criu, images, bootstrap, task)
    cell.forget()
    cell.call()
    print(json.dumps({"pid": cell.pid}), flush=True)
    for line in sys.stdin:
        word, _, event = line.strip().partition(" ")
        if word == "call":
            answer = {"answer": cell.call(event)}
        else:
            answer = getattr(cell, word)()
            if word == "restore":
                cell.call()
                answer = {"ms": answer}
            if word != "dump":
                cell.forget()
        print(json.dumps(answer), flush=True)


main(*sys.argv[1:])
