"""The context object, the second argument of every handler, as Lambda documents it:
https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
"""
import json
import time
from os import environ

from .errors import Fault

# Written when a call has waited: "REQUEST_ID EPOCH_MS\n", for the time it waited is not counted, so
# its deadline has moved; or, while it waits, "REQUEST_ID - LEFT_MS\n".
_MOVED_DEADLINE = environ.get("GODWIT_DEADLINE_FILE", "/run/godwit/deadline")


class Record:
    """A named group of attributes, None where the caller gave nothing."""

    def __init__(self, names, values):
        for name in names:
            setattr(self, name, values.get(name))

    def __repr__(self):
        return f"Record({self.__dict__})"


class Context:
    function_name = environ.get("AWS_LAMBDA_FUNCTION_NAME")
    function_version = environ.get("AWS_LAMBDA_FUNCTION_VERSION")
    memory_limit_in_mb = environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
    log_group_name = environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
    log_stream_name = environ.get("AWS_LAMBDA_LOG_STREAM_NAME")

    def __init__(self, header):
        """From a function that gives a header of the invocation, or None."""
        self.aws_request_id = header(b"lambda-runtime-aws-request-id")
        self.invoked_function_arn = header(b"lambda-runtime-invoked-function-arn")
        self.tenant_id = header(b"lambda-runtime-aws-tenant-id")
        # Godwit's own: 1, and more when an Event call is run again because the node or the function
        # died.
        self.attempt = int(header(b"godwit-attempt") or 1)
        self.client_context = _client_context(header(b"lambda-runtime-client-context"))
        self.identity = _identity(header(b"lambda-runtime-cognito-identity"))
        self._deadline_ms = int(header(b"lambda-runtime-deadline-ms") or 0)
        _set_trace_id(header(b"lambda-runtime-trace-id"))

    def get_remaining_time_in_millis(self):
        remaining_ms = self._moved_remaining_ms()
        if remaining_ms is None:
            remaining_ms = self._deadline_ms - int(time.time() * 1000)
        return max(0, remaining_ms)

    def log(self, message):
        print(message, end="")

    def _moved_remaining_ms(self):
        try:
            with open(_MOVED_DEADLINE, "rb", buffering=0) as file:
                request_id, deadline_ms, *left_ms = file.read(256).decode().split()
        except (OSError, ValueError):  # has never waited for long
            return None
        if request_id != self.aws_request_id:
            return None
        return int(left_ms[0]) if left_ms else int(deadline_ms) - int(time.time() * 1000)

    def __repr__(self):
        return f"Context({self.__dict__})"


def _parse(text, what):
    try:
        return dict(json.loads(text))
    except (ValueError, TypeError) as error:
        raise Fault(
            "Runtime.LambdaContextUnmarshalError", f"Unable to parse {what} JSON: {error}"
        ) from None


def _client_context(text):
    if not text:
        return None
    context = Record(("custom", "env", "client"), _parse(text, "Client Context"))
    if isinstance(context.client, dict):
        app = ("app_title", "app_version_name", "app_version_code", "app_package_name")
        context.client = Record(("installation_id", *app), context.client)
    return context


def _identity(text):
    given = _parse(text, "Cognito Identity") if text else {}
    names = {
        "cognito_identity_id": "cognitoIdentityId",
        "cognito_identity_pool_id": "cognitoIdentityPoolId",
    }
    return Record(names, {name: given.get(key) for name, key in names.items()})


_TRACE_ID = "_X_AMZN_TRACE_ID"
_trace_id = environ.get(_TRACE_ID)


def _set_trace_id(trace_id):
    global _trace_id
    if trace_id == _trace_id:
        return
    if trace_id:
        environ[_TRACE_ID] = trace_id
    else:
        environ.pop(_TRACE_ID, None)
    _trace_id = trace_id
