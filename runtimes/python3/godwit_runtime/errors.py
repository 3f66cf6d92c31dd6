"""Results and errors as JSON. A caller of Lambda is told errorMessage, errorType, requestId and
stackTrace."""
import json
import sys

from . import logs


class Fault(Exception):
    """An error of Lambda's own vocabulary, Runtime.*, with the trace that belongs to it."""

    def __init__(self, error_type, message, trace=()):
        super().__init__(message)
        self.error_type = error_type
        self.trace = list(trace)


def _plain(value):
    # As in Lambda, a Decimal is a number. If nobody imported the module, there is none.
    decimal = sys.modules.get("decimal")
    if decimal and isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


_encode = json.JSONEncoder(ensure_ascii=False, default=_plain).encode
_encode_ascii = json.JSONEncoder(default=_plain).encode


def to_json(value):
    text = _encode(value)
    try:
        return text.encode()
    except UnicodeEncodeError:  # half a surrogate pair: only an escape can carry it
        return _encode_ascii(value).encode()


def describe(error, request_id=""):
    """(error type, error object as JSON) of an exception, which is logged too."""
    if isinstance(error, Fault):
        error_type, trace = error.error_type, error.trace
    else:
        error_type, trace = type(error).__name__, _trace(error)
    lines = ["Traceback (most recent call last):\n", *trace] if trace else []
    logs.say(f"[ERROR] {error_type}: {error}\n{''.join(lines)}".rstrip("\n"))
    report = {
        "errorMessage": str(error),
        "errorType": error_type,
        "requestId": request_id,
        "stackTrace": trace,
    }
    return error_type, to_json(report)


def _trace(error):
    """The formatted frames, without those of this package and of the importer."""
    import traceback

    not_theirs = (__file__.rpartition("/")[0], "<frozen importlib")
    frames = traceback.extract_tb(error.__traceback__)
    return traceback.format_list([f for f in frames if not f.filename.startswith(not_theirs)])
