"""AWS's hooks for SnapStart: https://github.com/aws/snapshot-restore-py

    from snapshot_restore_py import register_before_snapshot, register_after_restore

    @register_before_snapshot
    def close_connections(): ...

    @register_after_restore
    def open_connections(): ...

Hooks before the snapshot run in the reverse order of their registration, those after a restore in
the order of it. docs/prebake.md tells when.
"""

__all__ = ["register_before_snapshot", "register_after_restore"]

_before = []
_after = []


def register_before_snapshot(func, *args, **kwargs):
    _before.append((func, args, kwargs))
    return func


def register_after_restore(func, *args, **kwargs):
    _after.append((func, args, kwargs))
    return func


def get_before_snapshot():
    return _before


def get_after_restore():
    return _after
