"""Plain CRIU on one Python process, for comparison: started by plain_criu.py inside a cell.

The cell (unshare: own mounts, pids, network) gives CRIU what it is at its fastest with: a tmpfs on
/run, where it keeps what it has learnt about the kernel, and pids that nobody takes meanwhile. The
process is Godwit's own Python runtime, waiting at an idle connection to a toy Runtime API, as an
idle function of Godwit does. Obeys the words `dump` and `restore`, one a line on stdin, and answers
each with a line of JSON.

    criu_cell.py CRIU IMAGES BOOTSTRAP TASK
"""
import ctypes
import json
import os
import shutil
import socket
import subprocess
import sys
import time

NEXT = b"invocation/next"
PR_SET_CHILD_SUBREAPER = 36
OPTIONS = ["--tcp-established", "--network-lock", "skip", "--file-locks", "--link-remap"]


def start_function(listener, bootstrap, task):
    environment = {
        "PATH": "/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:%d" % listener.getsockname()[1],
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
    connection, _ = listener.accept()
    request = b""
    while NEXT not in request:
        request += connection.recv(4096)
    return process.pid, connection


def call(connection):
    """One invocation, to see that it is alive: it answers in the same words each time."""
    connection.sendall(
        b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: r\r\nContent-Length: 2\r\n\r\n{}"
    )
    answer = b""
    while NEXT not in answer:
        answer += connection.recv(4096)
    assert b"Hello, world" in answer, answer
    connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")


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
    listener = socket.create_server(("127.0.0.1", 0))
    pid, connection = start_function(listener, bootstrap, task)
    call(connection)
    print(json.dumps({"pid": pid}), flush=True)
    for line in sys.stdin:
        answer = {}
        if line == "dump\n":
            shutil.rmtree(images, ignore_errors=True)
            os.makedirs(images)
            answer["ms"] = run(
                *(criu, "dump", "-t", str(pid), "-D", images, "-o", "dump.log", *OPTIONS)
            )
            reap()
            sizes = [entry.stat().st_size for entry in os.scandir(images)]
            answer["bytes"] = sum(sizes)
        else:
            answer["ms"] = run(criu, "restore", "-d", "-D", images, "-o", "restore.log", *OPTIONS)
            call(connection)
        print(json.dumps(answer), flush=True)


main(*sys.argv[1:])
