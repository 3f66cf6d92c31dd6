"""Output that is never lost, and the format Lambda gives to `logging`."""
import sys

# Of the invocation that runs now; a log line carries it.
request_id = ""


def unbuffer():
    """Makes print() write at once, as `python3 -u` does: a killed process takes its buffers
    with it."""
    if sys.stdout.write_through:
        return
    import io

    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        encoding, errors = stream.encoding, stream.errors
        raw = stream.detach().detach()
        stream = io.TextIOWrapper(raw, encoding=encoding, errors=errors, write_through=True)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def say(text):
    """A full disk or a closed stdout loses the line, and does not stop the function."""
    try:
        sys.stdout.write(text + "\n")
    except (OSError, ValueError):
        pass


class LoggingHook:
    """Gives the root logger its handler in the moment when the function imports `logging`:
    one that does not log is not made to pay for it."""

    def find_spec(self, name, path=None, target=None):
        if name != "logging":
            return None
        from importlib.machinery import PathFinder

        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path, target)
        if spec is None:
            return None
        execute = spec.loader.exec_module

        def execute_and_set_up(module):
            execute(module)
            _set_up(module)

        spec.loader.exec_module = execute_and_set_up
        return spec


def _set_up(logging):
    from time import gmtime

    def add_request_id(record):
        record.aws_request_id = request_id
        return True

    layout = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s"
    formatter = logging.Formatter(layout, "%Y-%m-%dT%H:%M:%S")
    formatter.converter = gmtime
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    handler.addFilter(add_request_id)
    logging.getLogger().addHandler(handler)
