"""Functions that end badly, each in its own way, and one that only keeps its memory."""
import contextlib
import ctypes
import os
import signal
import sys
import time
import urllib.request

kept = []


def exits(_event, _context):
    os._exit(3)


def leaves(_event, _context):
    sys.exit("no more of this")


def is_killed(_event, _context):
    os.kill(os.getpid(), signal.SIGKILL)


def crashes(_event, _context):
    ctypes.string_at(0)


def eats(_event, _context):
    while True:
        kept.append(bytearray(16 << 20))


def spins(event, _context):
    end = time.monotonic() + event["seconds"]
    while time.monotonic() < end:
        pass
    return "never seen"


def returns_too_much(event, _context):
    return "x" * event["bytes"]


def returns_no_json(_event, _context):
    return object()


def recurses(event, context):
    return recurses(event, context)


def sleeps(event, _context):
    time.sleep(event["seconds"])
    return "slept"


def babbles(event, _context):
    for number in range(event["lines"]):
        print(f"this is line {number} of many")


def counts(_event, _context):
    kept.append(None)
    print(f"call {len(kept)}")
    return len(kept)


def tells_time_left(event, context):
    before = context.get_remaining_time_in_millis()
    time.sleep(event["seconds"])
    return {"before": before, "after": context.get_remaining_time_in_millis()}


def sleeps_and_fails(event, _context):
    time.sleep(event["seconds"])
    if event.get("exit"):
        os._exit(9)
    raise ValueError(f"after {event['seconds']} s")


def lingers(_event, context):
    """Answers by itself, and works on."""
    address = "http://{}/2018-06-01/runtime/invocation/{}/response".format(
        os.environ["AWS_LAMBDA_RUNTIME_API"], context.aws_request_id)
    urllib.request.urlopen(urllib.request.Request(address, data=b'"early"')).read()
    while True:
        pass


def stops_others(event, _context):
    """A child stops every process that comes along."""
    child = os.fork()
    if child == 0:
        while True:
            for pid in range(5000, 5010):
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGSTOP)
            time.sleep(0.001)  # leaves the processor to those it torments
    time.sleep(event["seconds"])
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "slept"
