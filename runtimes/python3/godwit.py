"""What a Python function may ask of Godwit: `import godwit`.

    payload = godwit.wait_for_callback()             # for ever, or
    payload = godwit.wait_for_callback(timeout=60)   # TimeoutError after a minute

While it waits, the function is put away; a callback brings it back. The callbacks of a call are
numbered from 0, and this keeps the number of the next one, so each is handed out once, in order, to
one of the threads that wait. A call that is begun anew after a restart of the node gets all of its
callbacks again. docs/callbacks.md tells how they are sent.

    @godwit.before_checkpoint                        # before the function's template is made
    def disconnect(): ...

    @godwit.after_restore                            # in every instance that is a clone of it
    def connect(): ...
"""
import json
from _thread import allocate_lock
from os import environ
from time import monotonic

from godwit_runtime import loop
from godwit_runtime.api import Api, Broken
from snapshot_restore_py import register_after_restore as after_restore
from snapshot_restore_py import register_before_snapshot as before_checkpoint

__all__ = ["after_restore", "before_checkpoint", "wait_for_callback"]

_ASK = "GET /godwit/v1/invocations/%s/callbacks/%d HTTP/1.1\r\nHost: godwit\r\n\r\n"
_LONGEST = 1_000_000.0  # seconds that a socket or a lock can wait at a stretch

_turn = allocate_lock()  # held while a thread asks, and for what follows
_call = ""
_number = 0  # of the next callback of _call


def wait_for_callback(timeout=None):
    """The next callback of the call that runs, as json.loads() has it; waits for it.

    TimeoutError after `timeout` seconds, and the callback that comes later is for the next wait.
    RuntimeError outside of a call, or when the call ends meanwhile. ConnectionError if the platform
    cannot be reached.
    """
    global _call, _number
    end = None if timeout is None else monotonic() + max(0, timeout)
    if not loop.running:
        raise RuntimeError("no call runs that a callback could be for")
    _take_turn(end)
    try:
        call = loop.running
        if not call:
            raise RuntimeError("the call has ended")
        if call != _call:
            _call, _number = call, 0
        reply = _ask(call, _number, end)
        if reply.status == 400:
            raise RuntimeError("the call has ended")
        if reply.status != 200:
            raise ConnectionError(f"the Runtime API answered {reply.status}: {reply.body.decode()}")
        _number += 1
        return json.loads(reply.body)
    finally:
        _turn.release()


def _left(end):
    """Seconds until then, for one stretch of waiting; TimeoutError if there are none."""
    if end is None:
        return None
    left = end - monotonic()
    if left <= 0:
        raise TimeoutError("no callback came in time")
    return min(left, _LONGEST)


def _take_turn(end):
    if _turn.acquire(False):
        return
    while (left := _left(end)) is not None:
        if _turn.acquire(True, left):
            return
    _turn.acquire()


class _Asked(Api):
    """A connection of its own, whose answer is waited for until `end`."""

    def __init__(self, address, end):
        super().__init__(address)
        self._end = end

    def _received(self, receive, buffer):
        while True:
            self._socket.settimeout(_left(self._end))
            try:
                data = receive(buffer)
            except TimeoutError:
                continue
            except OSError as reason:
                raise Broken(reason) from None
            if not data:
                raise Broken("the other end closed the connection")
            return data

    def close(self):
        self._socket.close()


def _ask(call, number, end):
    try:
        api = _Asked(environ.get("AWS_LAMBDA_RUNTIME_API", ""), end)
        try:
            api.send((_ASK % (call, number)).encode())
            return api.receive()
        finally:
            api.close()
    except Broken as reason:
        raise ConnectionError(f"cannot ask for a callback: {reason}") from None
