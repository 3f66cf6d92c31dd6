"""What functions wait for, each a real server that ends with its block: `with broker(bench) as
port`. Functions with `--network nat` find this machine at GATEWAY."""
import contextlib
import http.server
import os
import shutil
import socket
import subprocess
import threading

from sides.failed import Failed
from sides.node import wait_for

GATEWAY = "169.254.1.1"
DATABASE_PORT = 18832  # of examples/order-desk/database


@contextlib.contextmanager
def no_server(_):
    yield 0


@contextlib.contextmanager
def broker(bench):
    """A Mosquitto."""
    program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    if not os.path.exists(program):
        raise Failed("mosquitto is not here (run scripts/setup)")
    port = free_port()
    folder = bench.folder("broker")
    os.makedirs(folder)
    settings = os.path.join(folder, "mosquitto.conf")
    with open(settings, "w", encoding="ascii") as file:
        file.write(f"listener {port} 0.0.0.0\nallow_anonymous true\nuser root\n")
    with running([program, "-c", settings], os.path.join(folder, "log")):
        wait_for(lambda: reachable(port), "mosquitto")
        yield port


@contextlib.contextmanager
def database(bench):
    """The PostgreSQL of examples/order-desk."""
    if reachable(DATABASE_PORT):
        raise Failed(f"port {DATABASE_PORT} is taken")
    folder = bench.folder("database")
    os.makedirs(folder)
    program = os.path.join(bench.root, "examples/order-desk/database")
    with running([program], os.path.join(folder, "log")):
        wait_for(lambda: reachable(DATABASE_PORT), "PostgreSQL")
        yield DATABASE_PORT


@contextlib.contextmanager
def newsroom(bench):
    """The HTTP server of examples/news-watch, which holds questions until there is news."""
    port = free_port()
    folder = bench.folder("newsroom")
    os.makedirs(folder)
    program = os.path.join(bench.root, "examples/news-watch/newsroom")
    with running([program, str(port)], os.path.join(folder, "log")):
        wait_for(lambda: reachable(port), "the newsroom")
        yield port


@contextlib.contextmanager
def running(command, log):
    with open(log, "wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def reachable(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@contextlib.contextmanager
def long_poll(_):
    """An HTTP server that answers when it is over."""
    over = threading.Event()

    class Later(http.server.BaseHTTPRequestHandler):
        def do_GET(self):  # pylint: disable=invalid-name
            over.wait()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("0.0.0.0", 0), Later)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        over.set()
        server.shutdown()
