"""The agent's progress. It is a claim; the host displays it."""

from . import _wire

__all__ = ["update"]


def update(done: int, total: int = 0, what: str = "") -> None:
    """Say that `done` of `total` are done; `total` is 0 if it is not known, `what` is one short line. The newest replaces the one before."""
    if _wire.IN_COMPONENT:
        _wire.wit_progress.update(done, total, what)
    else:
        _wire.kept_progress[:] = [(done, total, what)]
