"""What stops a part of the bench. Its text says why; the other parts are still measured."""


class Failed(Exception):
    pass
