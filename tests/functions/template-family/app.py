"""A start that leaves more than one process behind: a thread, a child, files in /tmp, a socket with
a name, a listening one, a timer."""
import os
import socket
import subprocess
import tempfile
import threading
import time

ticks = 0
kept = os.path.join(tempfile.gettempdir(), "kept")
with open(kept, "w", encoding="ascii") as file:
    file.write("content")
child = subprocess.Popen(["/bin/sleep", "100000"])  # pylint: disable=consider-using-with
named = socket.socket(socket.AF_UNIX)
named.bind("/tmp/named")
named.listen()
listener = socket.create_server(("", 8080))


def tick():
    global ticks
    while True:
        time.sleep(0.05)
        ticks += 1


threading.Thread(target=tick, daemon=True).start()


def uid_in(path):
    with open(path, encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("Uid:"))


def handler(event, context):
    before = ticks
    time.sleep(event.get("seconds", 0.3))
    tasks = [uid_in(f"/proc/self/task/{thread}/status") for thread in os.listdir("/proc/self/task")]
    client = socket.create_connection(("127.0.0.1", 8080))
    client.close()
    neighbour = socket.socket(socket.AF_UNIX)
    neighbour.connect("/tmp/named")
    neighbour.close()
    with open(kept, "a", encoding="ascii") as again:
        again.write(".")
    return {
        "init": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"], "ticks": ticks - before,
        "uids": [os.getuid(), *tasks, uid_in(f"/proc/{child.pid}/status"), os.stat(kept).st_uid,
                 os.stat("/tmp/named").st_uid],
        "kept": os.path.getsize(kept), "child": child.poll(), "threads": len(tasks),
    }
