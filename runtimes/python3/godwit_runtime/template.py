"""The start of a template, of which every further instance of the function is a clone.

become() runs the warm-up event and the hooks, asks for a restore, and goes on in each clone: there
it renews what must not be the same in two of them. Whatever else a function has made random or
unique at its start is equal in all clones, unless a hook renews it (docs/prebake.md).
"""
import gc
import os
import re
import sys
import time

from . import context, errors, logs
from .api import RESTORE, Broken, error

_LOG_STREAM = "AWS_LAMBDA_LOG_STREAM_NAME"
_WARM_UP = "GODWIT_WARM_UP"


def become(api, handler):
    """The handler, in a clone; None when a hook failed and that has been reported."""
    try:
        _warm_up(handler)
        _run_before_hooks()
        generators = _generators()
    except Exception as reason:
        return _give_up(api, reason, "Runtime.BeforeSnapshotError", b"init")
    gc.collect()
    api.send(RESTORE)
    reply = api.receive()  # in every clone anew
    if reply.status != 200:
        raise Broken(f"asked for a restore, it answered {reply.status}")
    try:
        _renew(generators, reply.header(b"godwit-log-stream"))
        _run_after_hooks()
    except Exception as reason:
        return _give_up(api, reason, "Runtime.AfterRestoreError", b"restore")
    return handler


def _give_up(api, reason, error_type, phase):
    _, body = errors.describe(reason)
    api.send(error("", error_type, body, phase))
    api.receive()
    return None


def _hooks():
    """AWS's library, ours or the function's own copy, if it was imported."""
    return sys.modules.get("snapshot_restore_py")


def _run_before_hooks():
    if library := _hooks():
        hooks = list(library.get_before_snapshot())
        for hook, args, kwargs in reversed(hooks):
            hook(*args, **kwargs)


def _run_after_hooks():
    if library := _hooks():
        for hook, args, kwargs in list(library.get_after_restore()):
            hook(*args, **kwargs)


def _warm_up(handler):
    """Runs the event of `godwit deploy --warm-up`. What comes of it is of no matter but for the
    log."""
    text = os.environ.pop(_WARM_UP, "")
    if not text:
        return
    import json

    headers = {
        b"lambda-runtime-aws-request-id": "warm-up",
        b"lambda-runtime-deadline-ms": str(int(time.time() * 1000) + 10_000),
    }
    logs.request_id = "warm-up"
    try:
        handler(json.loads(text), context.Context(headers.get))
    except Exception as reason:
        errors.describe(reason)
    finally:
        logs.request_id = ""


def _generators():
    """The functions that seed OpenSSL, of every copy of it that is loaded. Its generator lives in
    memory, and does not see that it is another process, whose pid is the same."""
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
        paths = sorted(set(re.findall(r"(/\S*/libcrypto[^/\s]*\.so\S*)", maps.read())))
    if not paths:
        return []
    import ctypes

    return [ctypes.CDLL(path).RAND_poll for path in paths]


def _renew(generators, log_stream):
    for poll in generators:
        poll()
    modules = sys.modules
    if "_ssl" in modules:
        modules["_ssl"].RAND_add(os.urandom(48), 0.0)
    if "random" in modules:
        modules["random"].seed()
    if "numpy.random" in modules:
        modules["numpy.random"].seed()
    if "tempfile" in modules:
        modules["tempfile"]._name_sequence = None
    if "uuid" in modules:
        _renew_uuid(modules["uuid"])
    if "platform" in modules:
        modules["platform"]._uname_cache = None  # it has the host's name
    if "multiprocessing.process" in modules:
        modules["multiprocessing.process"].current_process().authkey = os.urandom(32)
    if log_stream:
        os.environ[_LOG_STREAM] = context.Context.log_stream_name = log_stream


def _renew_uuid(uuid):
    """uuid1(): libuuid keeps a node and a clock sequence in memory, Python's own way has both
    fresh."""
    uuid._generate_time_safe = None
    uuid._last_timestamp = None
    if uuid._node is not None:
        uuid._node = uuid._random_getnode()
