"""Stands in for the bindings of `wasi:http`: it keeps the client's requests, and returns the answers that the test sets.

It is as strict as the host: dropping a resource while a child of it lives, or dropping it twice, is an error.
"""

import sys
import types as python_types
from dataclasses import dataclass


class Trap(BaseException):
    """An error with which the host would end the run."""


@dataclass(frozen=True)
class Ok:
    value: object


class Err(Exception):
    def __init__(self, value):
        super().__init__(value)
        self.value = value


class Resource:
    def __init__(self, parent=None):
        self.parent, self.children, self.is_dropped = parent, 0, False
        World.alive.append(self)
        if parent is not None:
            parent.children += 1

    def __exit__(self, *_):
        if self.is_dropped or self.children:
            raise Trap(f"{type(self).__name__}: dropped {'twice' if self.is_dropped else 'before its children'}")
        self.is_dropped = True
        World.alive.remove(self)
        if self.parent is not None:
            self.parent.children -= 1


class World:
    """The answers: for each path a list of steps, one for each read. `b""` means nothing yet, an exception is an error, the end of the list the end."""

    alive: list = []
    asked: list = []
    answers: dict = {}
    room = 100
    under_way = 0
    most = 0
    takes_timeouts = True

    @classmethod
    def reset(cls):
        cls.alive, cls.asked, cls.answers, cls.room, cls.under_way, cls.most = [], [], {}, 100, 0, 0


class Pollable(Resource):
    def __init__(self, parent=None, is_ready=lambda: True):
        super().__init__(parent)
        self.is_ready = is_ready

    def block(self):
        if not self.is_ready():
            raise Trap("waits forever")


def poll(pollables):
    if not pollables:
        raise Trap("polls nothing")
    assert not any(one.is_dropped for one in pollables)
    ready = [at for at, one in enumerate(pollables) if one.is_ready()]
    # A deadline counts as ready only if nothing else is ready.
    early = [at for at in ready if not isinstance(pollables[at], Deadline)]
    return early or ready


class Deadline(Pollable):
    pass


class Fields(Resource):
    def __init__(self, entries=()):
        super().__init__()
        self._entries = list(entries)

    @classmethod
    def from_list(cls, entries):
        for name, value in entries:
            if name.lower() == "authorization":
                raise Err(HeaderError_Forbidden())
            if b"\n" in value:
                raise Err(HeaderError_InvalidSyntax())
        return cls(entries)

    def entries(self):
        return self._entries


class HeaderError_Forbidden:
    pass


class HeaderError_InvalidSyntax:
    pass


class OutgoingRequest(Resource):
    def __init__(self, fields):
        super().__init__()
        fields.__exit__()
        self.headers, self.sink, self.content = fields._entries, None, b""

    def body(self):
        self.sink = OutgoingBody(self)
        return self.sink

    def set_method(self, method):
        self.method = method

    def set_scheme(self, scheme):
        self.scheme = scheme

    def set_authority(self, authority):
        self.authority = authority

    def set_path_with_query(self, path):
        self.path = path


class OutgoingBody(Resource):
    def __init__(self, request):
        super().__init__()
        self.request = request

    def write(self):
        return OutputStream(self)

    @classmethod
    def finish(cls, this, trailers):
        this.__exit__()
        this.request.is_finished = True


class OutputStream(Resource):
    looks = 0

    def check_write(self):
        self.looks += 1
        return 0 if self.looks == 1 else 4

    def subscribe(self):
        return Pollable(self)

    def write(self, content):
        assert len(content) <= 4, "more than the stream said it would accept"
        self.parent.request.content += content


class RequestOptions(Resource):
    def set_connect_timeout(self, duration):
        self.duration = duration
        if not World.takes_timeouts:
            raise Err(None)

    set_first_byte_timeout = set_between_bytes_timeout = set_connect_timeout


class Future(Resource):
    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def subscribe(self):
        return Pollable(self, lambda: self.answer != "never")

    def get(self):
        if isinstance(self.answer, tuple):
            return Ok(Ok(IncomingResponse(*self.answer)))
        World.under_way -= 1
        return Ok(Err(self.answer))


class IncomingResponse(Resource):
    def __init__(self, status, headers, steps):
        super().__init__()
        self._status, self._headers, self.steps = status, headers, steps

    def status(self):
        return self._status

    def headers(self):
        fields = Fields(self._headers)
        fields.parent = self
        self.children += 1
        return fields

    def consume(self):
        return IncomingBody(self.steps)


class IncomingBody(Resource):
    def __init__(self, steps):
        super().__init__()
        self.steps = list(steps)

    def stream(self):
        return InputStream(self)


class InputStream(Resource):
    def subscribe(self):
        return Pollable(self, lambda: self.parent.steps != ["never"])

    def read(self, length):
        if not self.parent.steps:
            World.under_way -= 1
            raise Err(StreamError_Closed())
        if self.parent.steps == ["never"]:
            return b""
        step = self.parent.steps.pop(0)
        if isinstance(step, bytes):
            assert len(step) <= length
            return step
        World.under_way -= 1
        raise Err(StreamError_LastOperationFailed(step))


class StreamError_Closed:
    pass


@dataclass
class StreamError_LastOperationFailed:
    value: object


def handle(request, options):
    request.options = options
    World.asked.append(request)
    World.alive.remove(request)
    if World.under_way >= World.room:
        raise Err(case("ConnectionLimitReached"))
    answer = World.answers[request.path]
    if isinstance(answer, Err):
        raise answer
    World.under_way += 1
    World.most = max(World.most, World.under_way)
    return Future(answer)


def case(name):
    """A case of `error-code`."""
    return type(f"ErrorCode_{name}", (), {})()


def install():
    """Installs this module in place of the bindings."""
    names = "Get Head Post Put Delete Connect Options Trace Patch".split()
    methods = {f"Method_{name}": type(f"Method_{name}", (), {}) for name in names}
    own = {name: value for name, value in globals().items() if isinstance(value, type)}
    schemes = {f"Scheme_{name}": type(f"Scheme_{name}", (), {}) for name in ("Http", "Https")}
    other = {"Method_Other": type("Method_Other", (), {"__init__": lambda self, value: setattr(self, "value", value)})}
    modules = {
        "componentize_py_types": {"Ok": Ok, "Err": Err},
        "wit_world": {},
        "wit_world.imports": {},
        "wit_world.imports.monotonic_clock": {"subscribe_duration": lambda when: Deadline()},
        "wit_world.imports.outgoing_handler": {"handle": handle},
        "wit_world.imports.poll": {"poll": poll},
        "wit_world.imports.wasi_http_types": {**own, **methods, **schemes, **other, "http_error_code": lambda err: err},
        "wit_world.imports.streams": own,
    }
    for name, content in modules.items():
        module = python_types.ModuleType(name)
        vars(module).update(content)
        sys.modules[name] = module
        if "." in name:
            parent, child = name.rsplit(".", 1)
            setattr(sys.modules[parent], child, module)


def uninstall():
    for name in [name for name in sys.modules if name.split(".")[0] in ("wit_world", "componentize_py_types")]:
        del sys.modules[name]
