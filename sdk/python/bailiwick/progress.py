"""How far the agent says it is. A claim; the host draws it."""

from . import _wire

__all__ = ["update"]


def update(done: int, total: int = 0, what: str = "") -> None:
    """Say that `done` of `total` are done; `total` is 0 where it is not known, `what` is one short line. The newest replaces what was there."""
    if _wire.IN_COMPONENT:
        _wire.wit_progress.update(done, total, what)
    else:
        _wire.kept_progress[:] = [(done, total, what)]
