"""Uses each part of the SDK; `way` in its input says which."""

import logging
import socket
import subprocess as of_no_use
import sys
from dataclasses import dataclass, field
from typing import Literal, Optional

import bailiwick
from bailiwick import findings, http, progress

# The agent's own module must not keep the name of the module; other modules may.
processes, of_no_use = of_no_use.run, None
log = logging.getLogger("every-way")

try:
    import requests  # noqa: F401

    REQUESTS = "it is here"
except ImportError as err:
    REQUESTS = str(err)


@dataclass
class Header:
    name: str
    value: str = ""


@dataclass
class Input:
    """What it is asked to do."""

    way: Literal["ask", "claim", "raise", "fail", "uncaught", "imports", "sum"]
    base: str = field(default="", metadata={"description": "Where the server is."})
    refused: Optional[str] = None
    headers: list[Header] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


@dataclass
class Output:
    """What came of it."""

    seen: dict[str, str]
    total: int = 0


@bailiwick.agent
def run(input: Input) -> Output:
    ways = {"ask": ask, "claim": claim, "raise": fails, "fail": fail, "uncaught": uncaught, "imports": imports, "sum": total}
    return ways[input.way](input)


def ask(input: Input) -> Output:
    seen = {}
    base, headers = input.base, {header.name: header.value for header in input.headers}
    got = http.get(f"{base}/got", params={"word": "a b", "page": 2}, headers=headers)
    seen["got"] = f"{got.status_code} {got.ok} {got.headers['X-Said']} {got.text}"
    posted = http.post(f"{base}/posted", json={"name": "a thing", "count": 3})
    seen["posted"] = f"{posted.status_code} {posted.json()['id']}"
    large = http.put(f"{base}/large", data=bytes(index % 251 for index in range(300_000)))
    seen["large"] = large.text
    missing = http.get(f"{base}/missing")
    try:
        missing.raise_for_status()
    except http.HTTPError as err:
        seen["missing"] = f"{err} {err.response.status_code}"
    with http.get(f"{base}/stream", stream=True) as streamed:
        pieces = list(streamed.iter_content(700))
        seen["streamed"] = f"{max(map(len, pieces)) <= 700} {len(b''.join(pieces))}"
    # Half of the body is read, and the rest is dropped.
    with http.get(f"{base}/stream", stream=True) as streamed:
        seen["begun"] = str(len(next(streamed.iter_content(10))))
    try:
        http.get(f"{base}/late", timeout=0.3)
    except http.Timeout as err:
        seen["late"] = err.code
    try:
        http.get(input.refused)
    except bailiwick.Refused as err:
        seen["refused"] = f"{err.code} {err.hint} {isinstance(err, http.RequestException)}"
    try:
        http.get(base, auth=("user", "word"))
    except http.InvalidRequest as err:
        seen["auth"] = str(err)
    session = http.Session()
    session.headers["x-asked"] = "by a session"
    many = [session.prepare("GET", f"{base}/many/{index}") for index in range(10)]
    seen["many"] = " ".join(answer.text.rsplit("/", 1)[1] for answer in http.gather(many))
    some = http.gather([http.Request("GET", input.refused), http.Request("GET", f"{base}/late", timeout=0.2)], return_exceptions=True)
    seen["some"] = " ".join(type(answer).__name__ for answer in some)
    return Output(seen)


def claim(input: Input) -> Output:
    progress.update(1, 2, "half of it")
    findings.report(
        "a-rule",
        findings.Severity.HIGH,
        "a finding",
        uri="/src/a.py",
        line=3,
        column=4,
        excerpt="key = …",
        evidence=["sha256:" + "0" * 64],
        taxa=[findings.Taxon("cwe", "CWE-798")],
        fingerprint="f",
    )
    log.info("a line\nand no %s", "second")
    log.debug("too quiet")
    print("printed")
    seen = {}
    try:
        findings.report("a-rule", "low", "x" * 5000)
    except bailiwick.Refused as err:
        seen["refused"] = f"{err.code} {bool(err.hint)}"
    return Output(seen)


def fails(input: Input) -> Output:
    raise ValueError("some text")  # The test finds this line by its text.


def fail(input: Input) -> Output:
    raise bailiwick.Failure("of-its-own", "my words")


def uncaught(input: Input) -> Output:
    return Output({"text": http.get(input.refused).text})


def imports(input: Input) -> Output:
    seen = {"requests": REQUESTS}

    def late() -> None:
        import wave  # noqa: F401

    def connects() -> None:
        socket.create_connection(("127.0.0.1", 80))

    for name, work in (("late", late), ("connects", connects), ("starts", lambda: processes(["ls"]))):
        try:
            work()
        except (ImportError, OSError) as err:
            seen[name] = str(err)
    print("on standard error", file=sys.stderr)
    return Output(seen)


def total(input: Input) -> Output:
    return Output({}, sum(input.counts.values()))
