"""Sends requests over `wasi:http` and waits on its pollables. No other file imports these bindings.

INVARIANT: a pollable is dropped before the object that it watches, and a stream before its body; otherwise the host traps. So this file
drops each of them itself, and never leaves a child to the garbage collector after its parent.
"""

from collections import deque
from collections.abc import Iterator

from componentize_py_types import Err, Ok
from wit_world.imports import monotonic_clock, outgoing_handler
from wit_world.imports import poll as wasi_poll
from wit_world.imports import wasi_http_types as types
from wit_world.imports.streams import StreamError_Closed

from ._errors import InvalidRequest, ProtocolError, Refused, RequestException, Timeout, TooLarge, of_case, wants_room, with_code
from ._model import BODY_BYTES_MAX, CHUNK_BYTES, Prepared, Response

_METHODS = {
    "GET": types.Method_Get,
    "HEAD": types.Method_Head,
    "POST": types.Method_Post,
    "PUT": types.Method_Put,
    "DELETE": types.Method_Delete,
    "CONNECT": types.Method_Connect,
    "OPTIONS": types.Method_Options,
    "TRACE": types.Method_Trace,
    "PATCH": types.Method_Patch,
}


def send(request: Prepared) -> Response:
    """Sends one request and waits for the head of its answer."""
    head = Head(request)
    try:
        wait(head.ready, head.deadline)
    except Timeout:
        head.drop()
        raise
    status, headers, body = head.open()
    return Response(status, headers, body.pieces(), request)


def send_each(requests: list[tuple[int, Prepared]], in_flight: int) -> Iterator[tuple[int, Response | RequestException]]:
    """Sends many requests and reads each answer to its end; yields each when it is over."""
    waiting, room, calls = deque(requests), in_flight, []
    while waiting or calls:
        while waiting and len(calls) < room:
            index, request = waiting.popleft()
            try:
                calls.append(Call(index, request, was_alone=not calls))
            except RequestException as err:
                if wants_room(err) and calls:
                    # BOUND: the room only shrinks, and a request that fails with nothing in flight is not sent again.
                    room = len(calls)
                    waiting.appendleft((index, request))
                else:
                    yield index, err
        if not calls:
            continue
        happened = what_happened(calls)
        still = list(calls)
        for call in calls:
            if call not in happened:
                continue
            try:
                answer = call.step(is_late=happened[call])
            except RequestException as err:
                answer = err
            if answer is None:
                continue
            still.remove(call)
            # The requests that took its room may have ended since, and their ends may have been handled before this.
            if isinstance(answer, Exception) and wants_room(answer) and (still or not call.was_alone):
                room = min(room, max(1, len(still)))
                waiting.appendleft((call.index, call.request))
            else:
                yield call.index, answer
        calls = still


def what_happened(calls: list["Call"]) -> dict["Call", bool]:
    """The calls for which something has happened, each with whether that is only its deadline."""
    pollables, owners = [], []
    for call in calls:
        for pollable, is_late in call.pollables():
            pollables.append(pollable)
            owners.append((call, is_late))
    happened: dict[Call, bool] = {}
    for at in wasi_poll.poll(pollables):
        call, is_late = owners[at]
        # Data that has arrived is taken, even if the deadline has passed as well.
        happened[call] = is_late and happened.get(call, True)
    return happened


class Call:
    """One of several requests in flight."""

    def __init__(self, index: int, request: Prepared, was_alone: bool) -> None:
        self.index, self.request, self.was_alone, self.head = index, request, was_alone, Head(request)
        self.body: Body | None = None
        self.read: list[bytes] = []
        self.length = 0

    def pollables(self) -> list[tuple[object, bool]]:
        at = self.body or self.head
        return [(at.ready, False)] + ([(at.deadline, True)] if at.deadline is not None else [])

    def step(self, is_late: bool) -> Response | None:
        """Handles what has happened. Returns the answer if it is complete."""
        if is_late:
            (self.body or self.head).drop()
            raise late()
        if self.body is None:
            self.status, self.headers, self.body = self.head.open()
            return None
        piece = self.body.read(CHUNK_BYTES)
        if piece is None:
            return Response(self.status, self.headers, iter(self.read), self.request)
        self.read.append(piece)
        self.length += len(piece)
        if self.length > BODY_BYTES_MAX:
            self.body.drop()
            raise TooLarge(f"the body has more than {BODY_BYTES_MAX} bytes", "body-bytes-max")
        return None


class Head:
    """A request that waits for the head of its answer."""

    def __init__(self, request: Prepared) -> None:
        outgoing, options = outgoing_of(request), options_of(request.timeout)
        # If `body()` is never called, the body is empty.
        sink = outgoing.body() if request.body else None
        try:
            self.future = outgoing_handler.handle(outgoing, options)
        except Err as err:
            if sink is not None:
                drop(sink)
            raise of_case(err.value) from None
        if sink is not None:
            write(sink, request.body)
        self.ready = self.future.subscribe()
        self.deadline = None if request.timeout is None else monotonic_clock.subscribe_duration(nanoseconds(request.timeout))

    def drop(self) -> None:
        drop(self.ready)
        if self.deadline is not None:
            drop(self.deadline)
        drop(self.future)

    def open(self) -> tuple[int, list[tuple[str, str]], "Body"]:
        """The head, once it has arrived; the deadline continues for the body."""
        drop(self.ready)
        got = self.future.get()
        drop(self.future)
        answer = got.value if isinstance(got, Ok) else got
        if not isinstance(answer, Ok):
            if self.deadline is not None:
                drop(self.deadline)
            raise of_case(answer.value) if isinstance(answer, Err) else with_code(RequestException, "no-answer")
        response = answer.value
        fields = response.headers()
        headers = [(name, value.decode("latin-1")) for name, value in fields.entries()]
        drop(fields)
        status, body = response.status(), Body(response.consume(), self.deadline)
        drop(response)
        return status, headers, body


class Body:
    """A body that is being received."""

    def __init__(self, incoming: object, deadline: object) -> None:
        self.is_over = True
        self.incoming, self.deadline = incoming, deadline
        self.stream = incoming.stream()
        self.ready = self.stream.subscribe()
        self.is_over = False

    def read(self, length: int) -> bytes | None:
        """The bytes that are there now; `None` at the end."""
        try:
            return self.stream.read(length)
        except Err as err:
            why = None if isinstance(err.value, StreamError_Closed) else broken(err.value.value)
            self.drop()
            if why is not None:
                raise why from None
            return None

    def pieces(self) -> Iterator[bytes]:
        """Each piece as it comes. Closing the iterator drops the rest."""
        try:
            while not self.is_over:
                piece = self.read(CHUNK_BYTES)
                if piece:
                    yield piece
                elif piece is not None:
                    wait(self.ready, self.deadline)
        finally:
            self.drop()

    def drop(self) -> None:
        if self.is_over:
            return
        self.is_over = True
        drop(self.ready)
        if self.deadline is not None:
            drop(self.deadline)
        drop(self.stream)
        drop(self.incoming)

    def __del__(self) -> None:
        # The parts of an answer that was never read are dropped in the right order, too.
        self.drop()


def drop(resource: object) -> None:
    resource.__exit__(None, None, None)


def wait(ready: object, deadline: object) -> None:
    """Waits for `ready`; a deadline that comes first is an error."""
    if deadline is None:
        ready.block()
    elif 0 not in wasi_poll.poll([ready, deadline]):
        raise late()


def late() -> Timeout:
    return with_code(Timeout, "timeout")


def outgoing_of(request: Prepared) -> object:
    try:
        fields = types.Fields.from_list([(name, value.encode("latin-1")) for name, value in request.headers.fields()])
    except UnicodeEncodeError:
        raise InvalidRequest("a header has characters that are not allowed in a header") from None
    except Err as err:
        if type(err.value).__name__ == "HeaderError_Forbidden":
            raise Refused() from None
        raise InvalidRequest("a header is not well formed") from None
    outgoing = types.OutgoingRequest(fields)
    method = _METHODS.get(request.method)
    scheme = types.Scheme_Http() if request.scheme == "http" else types.Scheme_Https()
    set_all = (
        ("method", outgoing.set_method, method() if method else types.Method_Other(request.method)),
        ("scheme", outgoing.set_scheme, scheme),
        ("host", outgoing.set_authority, request.authority),
        ("path", outgoing.set_path_with_query, request.path),
    )
    for what, setter, value in set_all:
        try:
            setter(value)
        except Err:
            raise InvalidRequest(f"its {what} was not accepted") from None
    return outgoing


def options_of(timeout: float | None) -> object:
    if timeout is None:
        return None
    options = types.RequestOptions()
    for setter in (options.set_connect_timeout, options.set_first_byte_timeout, options.set_between_bytes_timeout):
        try:
            setter(nanoseconds(timeout))
        except Err:
            # If the host does not support one of them, it uses its own; the deadline here applies in any case.
            pass
    return options


def nanoseconds(timeout: float) -> int:
    return min(max(int(timeout * 1e9), 1_000_000), (1 << 63) - 1)


def write(body: object, content: bytes) -> None:
    """Writes the body. If the host stops accepting it, the body is left unfinished: the answer says why."""
    stream, rest, is_taken = body.write(), memoryview(content), True
    while rest and is_taken:
        try:
            room = stream.check_write()
            if room == 0:
                ready = stream.subscribe()
                ready.block()
                drop(ready)
                continue
            stream.write(bytes(rest[:room]))
            rest = rest[room:]
        except Err:
            is_taken = False
    drop(stream)
    if not is_taken:
        drop(body)
        return
    try:
        types.OutgoingBody.finish(body, None)
    except Err as err:
        raise of_case(err.value) from None


def broken(err: object) -> RequestException:
    code = types.http_error_code(err)
    return with_code(ProtocolError, "stream") if code is None else of_case(code)
