"""Finds the function that _HANDLER names: `module.function`, or `folder/module.function`."""
import sys

from .errors import Fault


def load(name):
    """The handler. Raises Fault for what Lambda has a name for, else whatever the module raised."""
    path, _, function = name.rpartition(".")
    if not path or not function:
        raise Fault(
            "Runtime.MalformedHandlerName",
            f"Bad handler '{name}': it is not of the form module.function",
        )
    module = _import(path.replace("/", "."), path)
    try:
        handler = getattr(module, function)
    except AttributeError:
        raise Fault(
            "Runtime.HandlerNotFound", f"Handler '{function}' missing on module '{path}'"
        ) from None
    if not callable(handler):
        raise Fault(
            "Runtime.HandlerNotFound", f"Handler '{function}' of module '{path}' is not a function"
        )
    return handler


def _import(module, path):
    if module in sys.builtin_module_names:
        raise Fault(
            "Runtime.BuiltInModuleConflict",
            f"Cannot use built-in module {path} as a handler module",
        )
    try:
        __import__(module)
    except ImportError as error:
        raise Fault(
            "Runtime.ImportModuleError", f"Unable to import module '{path}': {error}"
        ) from error
    except SyntaxError as error:
        where = f'  File "{error.filename}" Line {error.lineno}\n    {(error.text or "").rstrip()}'
        message = f"Syntax error in module '{path}': {error}"
        raise Fault("Runtime.UserCodeSyntaxError", message, [where]) from error
    return sys.modules[module]
