"""Holds something odd while it waits, and tells whether it is still as it was."""
import contextlib
import ctypes
import fcntl
import mmap
import os
import pty
import resource
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

libc = ctypes.CDLL(None, use_errno=True)


def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


@contextlib.contextmanager
def inotify():
    watch = check(libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))
    check(libc.inotify_add_watch(watch, b"/tmp", 0x100))
    yield lambda: (open("/tmp/seen", "w").close(), len(os.read(watch, 4096)))[1] > 0
    os.close(watch)


@contextlib.contextmanager
def sysv_shared_memory():
    libc.shmat.restype = ctypes.c_void_p
    segment = check(libc.shmget(0x60D317, 4096, 0o1600))
    address = libc.shmat(segment, None, 0)
    ctypes.memmove(address, b"kept", 4)
    yield lambda: ctypes.string_at(address, 4) == b"kept"


@contextlib.contextmanager
def sysv_semaphore():
    semaphore = check(libc.semget(0x60D317, 1, 0o1600))
    check(libc.semctl(semaphore, 0, 16, 7))  # SETVAL
    yield lambda: check(libc.semctl(semaphore, 0, 12)) == 7  # GETVAL


@contextlib.contextmanager
def unaccepted_connection():
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()) as client:
            client.sendall(b"hello")
            yield lambda: server.accept()[0].recv(5) == b"hello"


@contextlib.contextmanager
def own_connection():
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()) as client:
            peer, _ = server.accept()
            peer.sendall(b"x" * 70_000)

            def rest():
                client.sendall(b"hello")
                read = 0
                while read < 70_000:
                    read += len(client.recv(65536))
                return read == 70_000 and peer.recv(5) == b"hello"
            yield rest


@contextlib.contextmanager
def udp():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        # What is on its way may get lost, as UDP has it; the socket is what is kept.
        yield lambda: one.sendto(b"kept", one.getsockname()) == len(one.recv(10))


@contextlib.contextmanager
def unix_pair():
    left, right = socket.socketpair()
    left.sendall(b"kept")
    yield lambda: right.recv(10) == b"kept"


@contextlib.contextmanager
def unix_listener():
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("/tmp/odd.sock")
        server.listen()

        def talk():
            with socket.socket(socket.AF_UNIX) as client:
                client.connect("/tmp/odd.sock")
                client.sendall(b"kept")
                return server.accept()[0].recv(10) == b"kept"
        yield talk
    os.unlink("/tmp/odd.sock")


@contextlib.contextmanager
def netlink():
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as route:
        route.bind((0, 0))
        yield lambda: route.getsockname()[0] != 0


@contextlib.contextmanager
def deleted_file():
    with tempfile.TemporaryFile(dir="/tmp") as file:
        file.write(b"kept" * 1_000_000)
        file.seek(0)
        yield lambda: file.read() == b"kept" * 1_000_000


@contextlib.contextmanager
def files():
    with open("/tmp/odd", "wb+") as file, open("/var/task/handler.py", "rb") as code:
        file.write(b"kept")
        file.flush()
        code.seek(10)
        yield lambda: (file.seek(0), file.read() == b"kept" and code.tell() == 10)[1]


@contextlib.contextmanager
def locked_file():
    with open("/tmp/lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)

        def still():
            with open("/tmp/lock") as other:
                try:
                    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return True
            return False
        yield still


@contextlib.contextmanager
def memory_file():
    file = os.memfd_create("odd")
    os.write(file, b"kept")
    yield lambda: os.pread(file, 10, 0) == b"kept"
    os.close(file)


@contextlib.contextmanager
def shared_memory():
    with mmap.mmap(-1, 1 << 20) as memory:
        memory[:4] = b"kept"
        child = os.fork()
        if child == 0:
            time.sleep(1000)
        yield lambda: memory[:4] == b"kept"
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@contextlib.contextmanager
def pipe():
    reader, writer = os.pipe()
    os.write(writer, b"kept")
    yield lambda: os.read(reader, 10) == b"kept"
    os.close(reader)
    os.close(writer)


@contextlib.contextmanager
def epoll():
    reader, writer = os.pipe()
    with select.epoll() as waiter:
        waiter.register(reader, select.EPOLLIN)
        yield lambda: os.write(writer, b"x") and waiter.poll(5)[0][0] == reader
    os.close(reader)
    os.close(writer)


@contextlib.contextmanager
def zombie():
    child = os.fork()
    if child == 0:
        os._exit(3)
    time.sleep(0.1)
    yield lambda: os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3


@contextlib.contextmanager
def daemon():
    """A child in a session of its own, whose parent has ended."""
    reader, writer = os.pipe()
    code = f"import os, time; time.sleep(3); os.write({writer}, b'kept')"
    subprocess.run([sys.executable, "-c",
                    f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {code!r}],"
                    f"start_new_session=True, pass_fds=[{writer}])"],
                   pass_fds=[writer], check=True)
    os.close(writer)
    yield lambda: os.read(reader, 10) == b"kept"
    os.close(reader)


@contextlib.contextmanager
def many_threads():
    go = threading.Event()
    done = []
    workers = [threading.Thread(target=lambda: (go.wait(), done.append(1))) for _ in range(500)]
    for worker in workers:
        worker.start()
    yield lambda: (go.set(), [worker.join() for worker in workers], len(done) == 500)[2]


def branch(levels, answer):
    """A process with a child below it, and so on: each adds its letter when it is told to."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writer)
        below = branch(levels - 1, answer) if levels > 1 else None
        os.read(reader, 1)
        if below:
            os.write(below[1], b"g")
            os.waitpid(below[0], 0)
        os.write(answer, b"x")
        os._exit(0)
    os.close(reader)
    return child, writer


@contextlib.contextmanager
def process_tree():
    """Twenty: four children, with four below each, one below the other."""
    reader, answer = os.pipe()
    children = [branch(5, answer) for _ in range(4)]
    os.close(answer)

    def all_there():
        for child, go in children:
            os.write(go, b"g")
            os.waitpid(child, 0)
        letters = b""
        while piece := os.read(reader, 100):
            letters += piece
        return len(letters) == 20
    yield all_there
    os.close(reader)


@contextlib.contextmanager
def mapped_file():
    """Shared, so that what is written is in the file."""
    with open("/tmp/mapped", "wb+") as file:
        file.truncate(1 << 20)
        with mmap.mmap(file.fileno(), 1 << 20) as memory:
            memory[4096:4100] = b"kept"

            def still_shared():
                memory[:5] = b"again"
                return (memory[4096:4100] == b"kept" and os.pread(file.fileno(), 5, 0) == b"again")
            yield still_shared


@contextlib.contextmanager
def privately_mapped_file():
    """What is written is the process' own, what is not is the file's."""
    with open("/tmp/private", "wb+") as file:
        file.write(b"file" * 4096)
        file.flush()
        with mmap.mmap(file.fileno(), 16384, flags=mmap.MAP_PRIVATE) as memory:
            memory[:4] = b"mine"
            yield lambda: (memory[:4] == b"mine" and memory[8192:8196] == b"file"
                           and os.pread(file.fileno(), 4, 0) == b"file")


@contextlib.contextmanager
def pipe_to_child():
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.stdin.write(b"before ")
        child.stdin.flush()

        def echoes():
            child.stdin.write(b"after")
            child.stdin.close()
            return child.stdout.read() == b"before after"
        yield echoes


@contextlib.contextmanager
def terminal():
    """A pty, and a child that has it as its controlling terminal."""
    child, master = pty.fork()
    if child == 0:
        sys.stdout.write(sys.stdin.readline().upper())
        sys.stdout.flush()
        os.read(0, 1)
        os._exit(0)

    def answers():
        os.write(master, b"kept\n")
        seen = b""
        while b"KEPT" not in seen:  # and its echo
            seen += os.read(master, 100)
        return os.tcgetpgrp(master) == child
    yield answers
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(master)


@contextlib.contextmanager
def waiters_together():
    """An epoll over an eventfd, a timerfd and a signalfd."""
    class Spec(ctypes.Structure):
        _fields_ = [("interval", ctypes.c_long * 2), ("value", ctypes.c_long * 2)]
    signals = ctypes.create_string_buffer(128)
    libc.sigemptyset(signals)
    libc.sigaddset(signals, signal.SIGUSR2)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    event = os.eventfd(0)
    timer = check(libc.timerfd_create(1, 0))
    signalled = check(libc.signalfd(-1, signals, os.O_CLOEXEC))
    check(libc.timerfd_settime(timer, 0, ctypes.byref(Spec((0, 0), (3, 0))), None))
    with select.epoll() as waiter:
        for descriptor in (event, timer, signalled):
            waiter.register(descriptor, select.EPOLLIN)

        def all_come():
            os.eventfd_write(event, 7)
            os.kill(os.getpid(), signal.SIGUSR2)
            come = set()
            while len(come) < 3:
                come |= {descriptor for descriptor, _ in waiter.poll(10)}
            number = int.from_bytes(os.read(signalled, 128)[:4], "little")
            return (os.eventfd_read(event) == 7 and len(os.read(timer, 8)) == 8
                    and number == signal.SIGUSR2)
        yield all_come
    for descriptor in (event, timer, signalled):
        os.close(descriptor)


@contextlib.contextmanager
def listening_socket():
    with socket.create_server(("127.0.0.1", 0)) as server:
        def accepts():
            with socket.create_connection(server.getsockname()) as client:
                client.sendall(b"hello")
                with server.accept()[0] as peer:
                    return peer.recv(5) == b"hello"
        yield accepts


def open_many():
    files = [os.open("/tmp/many", os.O_RDONLY) for _ in range(1000)]
    for place, descriptor in enumerate(files):
        os.lseek(descriptor, place, os.SEEK_SET)

    def right():
        still = all(os.lseek(descriptor, 0, os.SEEK_CUR) == place
                    for place, descriptor in enumerate(files))
        for descriptor in files:
            os.close(descriptor)
        return still
    return right


@contextlib.contextmanager
def many_descriptors():
    """2,000, each at a place of its own: half of them in a child, for a process has at most 1,024,
    as in AWS Lambda."""
    with open("/tmp/many", "wb") as file:
        file.write(bytes(4096))
    go, tell = os.pipe()
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        right = open_many()
        os.write(told, b"x")
        os.read(go, 1)
        os._exit(0 if right() else 1)
    os.read(ready, 1)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert limit[0] >= 1024, limit
    right = open_many()

    def both_right():
        os.write(tell, b"g")
        return right() and os.waitpid(child, 0)[1] == 0
    yield both_right
    for descriptor in (go, tell, ready, told):
        os.close(descriptor)


@contextlib.contextmanager
def timer_descriptor():
    libc.timerfd_create.restype = ctypes.c_int
    timer = check(libc.timerfd_create(1, 0))

    class Spec(ctypes.Structure):
        _fields_ = [("interval", ctypes.c_long * 2), ("value", ctypes.c_long * 2)]
    check(libc.timerfd_settime(timer, 0, ctypes.byref(Spec((0, 0), (3, 0))), None))
    yield lambda: len(os.read(timer, 8)) == 8
    os.close(timer)


@contextlib.contextmanager
def pidfd():
    child = subprocess.Popen(["sleep", "60"])
    descriptor = os.pidfd_open(child.pid)

    def ended():
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        return child.wait() == -signal.SIGKILL
    yield ended
    os.close(descriptor)


@contextlib.contextmanager
def signals_blocked():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    os.kill(os.getpid(), signal.SIGUSR1)
    yield lambda: signal.sigwait([signal.SIGUSR1]) == signal.SIGUSR1


@contextlib.contextmanager
def open_proc():
    """Files of /proc behind a mask, on a read-only mount, and plain ones."""
    paths = "/proc/interrupts", "/proc/cmdline", "/proc/sys/kernel/osrelease", "/proc/self/status"
    with contextlib.ExitStack() as stack:
        masked, line, release, status = [stack.enter_context(open(path, "rb")) for path in paths]
        yield lambda: (masked.read() == line.read() == b"" and len(release.read()) > 1
                       and b"Name:" in status.read())


@contextlib.contextmanager
def log_by_name():
    """Its log, opened again, and a child's."""
    with open("/dev/stderr", "w", encoding="ascii") as log:
        child = subprocess.Popen(["sh", "-c", "trap 'echo child; exit 7' USR1; sleep 60 & wait"])
        yield lambda: (log.write("by name\n"), log.flush(), child.send_signal(signal.SIGUSR1),
                       child.wait())[3] == 7
        subprocess.run(["pkill", "-x", "sleep"], check=False)


@contextlib.contextmanager
def random_state():
    with open("/dev/urandom", "rb", buffering=0) as noise, open("/dev/null", "wb") as null:
        yield lambda: len(noise.read(8)) == 8 and null.write(b"x") == 1


def handler(event, _context):
    try:
        with globals()[event["what"]]() as still_right:
            time.sleep(event["seconds"])
            return {"right": bool(still_right())}
    except OSError as error:
        return {"error": str(error)}


def kinds(_event, _context):
    return [name for name, value in globals().items()
            if hasattr(value, "__wrapped__") and value.__module__ == __name__]
