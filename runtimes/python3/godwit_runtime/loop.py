"""The life of a Python function: start, then forever the next event, the handler, the answer."""
import json
import os
import sys

from . import errors, logs
from .api import NEXT, Api, Broken, error, response
from .context import Context
from .handler import load


# The request id of the call that runs now, or "".
running = ""


def main():
    """Does not return: only a failure ends it."""
    logs.unbuffer()
    sys.meta_path.insert(0, logs.LoggingHook())
    # In place of our own folder, which holds nothing that a function may want.
    sys.path[0:1] = [os.environ.get("LAMBDA_TASK_ROOT") or os.getcwd(), "/opt/python"]
    address = os.environ.get("AWS_LAMBDA_RUNTIME_API", "")
    try:
        api = Api(address)
        handler = start(api, os.environ.get("_HANDLER", ""))
        if handler and os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
            from . import template

            handler = template.become(api, handler)
        if handler:
            serve(api, handler)
    except Broken as reason:
        failure = f"cannot talk to the Runtime API at '{address}': {reason}"
        logs.say(f"godwit: {failure} (the function ends here)")
    os._exit(1)  # sys.exit would wait for the threads that the function may have left


def start(api, name):
    """The handler; None when that failed and has been reported."""
    try:
        return load(name)
    except Exception as reason:
        api.send(error("", *errors.describe(reason)))
        api.receive()
        return None


def serve(api, handler):
    api.send(NEXT)
    while True:
        # One expression: while it waits for the next event, an idle function holds nothing of the
        # last one.
        api.send(answer(handler, api.receive()) + NEXT)
        verdict = api.receive()
        if verdict.status >= 300:
            logs.say(f"godwit: the answer was refused: {verdict.status} {verdict.body.decode()}")


def answer(handler, invocation):
    """Runs the handler on one event: the request that tells how it ended. SystemExit goes
    through."""
    global running
    request_id = invocation.header(b"lambda-runtime-aws-request-id")
    if invocation.status != 200 or not request_id:
        raise Broken(f"asked for an event, it answered {invocation.status}")
    logs.request_id = running = request_id
    try:
        return response(request_id, run(handler, invocation))
    except Exception as reason:
        return error(request_id, *errors.describe(reason, request_id))
    finally:
        running = ""


def run(handler, invocation):
    context = Context(invocation.header)
    try:
        event = json.loads(str(invocation.body, "utf-8") or "{}")
    except ValueError as reason:
        raise errors.Fault(
            "Runtime.UnmarshalError", f"Unable to unmarshal input: {reason}"
        ) from None
    invocation.body = None  # the handler may be put away: one copy of its event is enough
    result = handler(event, context)
    try:
        return errors.to_json(result)
    except Exception as reason:
        raise errors.Fault(
            "Runtime.MarshalError", f"Unable to marshal response: {reason}"
        ) from None
