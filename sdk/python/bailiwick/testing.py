"""Stands in for the host in an agent's own tests: plain `python3 -m unittest`, without a sandbox.

Findings and progress are kept for the test to examine; requests get the answers that the test provides, or are refused.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from . import _entry, _wire
from .findings import Finding
from .http import _native
from .http import Prepared, Response

__all__ = ["answer_http", "response", "run", "schemas", "take_findings", "take_progress"]


def run(func: Callable, input: object) -> object:
    """Runs an agent's function as the host would: JSON in, JSON out. Raises `bailiwick.Failure`."""
    return json.loads(_entry.Work(func).answer(json.dumps(input)))


def schemas(func: Callable) -> dict:
    """The schemas of the agent's input and output."""
    return run(func, json.loads(_entry.SCHEMAS_INPUT))


def take_findings() -> list[Finding]:
    """The findings that were reported since the last call."""
    taken = list(_wire.kept_findings)
    _wire.kept_findings.clear()
    return taken


def take_progress() -> tuple[int, int, str] | None:
    """The newest progress since the last call."""
    return _wire.kept_progress.pop() if _wire.kept_progress else None


@contextmanager
def answer_http(answer: Callable[[Prepared], Response]) -> Iterator[list[Prepared]]:
    """Within this context, the function answers each request; it may raise one of `bailiwick.http`'s exceptions. Yields the list of requests."""
    asked: list[Prepared] = []

    def kept(request: Prepared) -> Response:
        asked.append(request)
        return answer(request)

    before, _native.answer = _native.answer, kept
    try:
        yield asked
    finally:
        _native.answer = before


def response(status: int = 200, body: bytes | str = b"", headers: dict[str, str] | None = None) -> Response:
    """An answer for `answer_http`."""
    content = body.encode() if isinstance(body, str) else body
    return Response(status, list((headers or {}).items()), iter([content] if content else []))
