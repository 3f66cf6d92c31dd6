"""What `godwit doctor` has to tell about a function: it holds something odd while it waits."""
import ctypes
import os
import socket
import time

libc = ctypes.CDLL(None, use_errno=True)
IPPROTO_MPTCP = 262


def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def at_once(event, _context):
    print("ran once")
    return event


def sleeps(event, _context):
    begun = time.monotonic()
    time.sleep(event.get("seconds", 2))
    return {"slept": time.monotonic() - begun >= event.get("seconds", 2)}


def spins(_event, _context):
    while True:
        pass


def raises(_event, _context):
    raise ValueError("no such tea")


def leaves(_event, _context):
    os._exit(3)


def mptcp(event, _context):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP):
        time.sleep(event.get("seconds", 60))
    return "plain again"


def has_mptcp(_event, _context):
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP).close()
    except OSError:
        return False
    return True


def system_v(event, _context):
    segment = check(libc.shmget(0x60D318, 4096, 0o1600))
    time.sleep(event.get("seconds", 60))
    check(libc.shmctl(segment, 0, None))
    return "removed"


def watches(event, _context):
    watch = check(libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))
    check(libc.inotify_add_watch(watch, os.fsencode(event["path"]), 0x100))
    time.sleep(event.get("seconds", 60))
    os.close(watch)
    return "closed"


def unaccepted(event, _context):
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()) as client:
            client.sendall(b"hello")
            time.sleep(event.get("seconds", 60))
            return server.accept()[0].recv(5).decode()


def time_out_of_its_own(event, _context):
    """Blocked in recv() with SO_RCVTIMEO, which being stopped would end."""
    left, right = socket.socketpair()
    span = event.get("seconds", 60)
    left.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO,
                    int(span).to_bytes(8, "little") + bytes(8))
    try:
        os.read(left.fileno(), 1)
    except BlockingIOError:
        return "in time"
    finally:
        right.close()
    return "too early"
