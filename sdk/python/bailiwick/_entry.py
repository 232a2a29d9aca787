"""Connects the exported function with the author's function: JSON in, JSON out, and the one reserved input."""

import inspect
import json
import sys
import traceback
import typing
from collections.abc import Callable

from . import _imports, _types, _wire
from ._failure import Failure, Refused

#: The input that asks for the schemas instead of the agent's work.
SCHEMAS_INPUT = '{"$schema": "bailiwick:schemas"}'

_OWN_FOLDER = __file__.rsplit("/", 1)[0] + "/"


def agent(func: Callable) -> Callable:
    """Makes a function the agent: `@bailiwick.agent` above `def run(input: Input) -> Output`. The function itself stays unchanged."""
    run(func)
    return func


def run(func: Callable) -> None:
    """Does the same without a decorator: `bailiwick.run(work)` at the end of the module that is built."""
    work = Work(func)
    module = sys.modules[func.__module__]
    if _imports.is_in_sandbox():
        _imports.check(module)
    if getattr(module, "Agent", None) is not None and not hasattr(module.Agent, "__bailiwick__"):
        raise TypeError("`Agent` is the name under which the toolchain looks for the agent; give yours another name")

    class Agent:
        __bailiwick__ = work

        def run(self, input: str) -> str:
            _imports.started()
            try:
                return work.answer(input)
            except Failure as failure:
                raise _wire.failed(failure) from None

    Agent.__module__ = func.__module__
    module.Agent = Agent


class Work:
    """The author's function, with the types that its annotations name."""

    def __init__(self, func: Callable) -> None:
        hints = typing.get_type_hints(func, include_extras=True)
        names = list(inspect.signature(func).parameters)
        if len(names) != 1 or names[0] not in hints or "return" not in hints:
            raise TypeError(f"`{func.__name__}` must take one argument and return one value, both with their types: `def run(input: Input) -> Output`")
        if inspect.iscoroutinefunction(func):
            raise TypeError(f"`{func.__name__}` must not be async: for several requests at once use `bailiwick.http.gather`")
        self.func, self.input, self.output = func, hints[names[0]], hints["return"]
        # The schemas are made now, so that an unsupported type is an error when the agent is built.
        self.schemas = {"input": _types.schema(self.input, of_input=True), "output": _types.schema(self.output, of_input=False)}

    def answer(self, text: str) -> str:
        """JSON to JSON. Raises `Failure` and nothing else."""
        given = parsed(text)
        if given == {"$schema": "bailiwick:schemas"}:
            return json.dumps(self.schemas)
        try:
            fitting = _types.fit(self.input, given)
        except _types.Misfit as why:
            raise Failure(Failure.BAD_INPUT, str(why)) from None
        try:
            output = self.func(fitting)
        except Failure:
            raise
        except (Exception, SystemExit) as err:
            raise raised(err, self.func) from err
        return self.written(output)

    def written(self, output: object) -> str:
        try:
            dumped = _types.dump(output)
            _types.fit(self.output, dumped)
            return json.dumps(dumped, ensure_ascii=False, allow_nan=False)
        except _types.Misfit as why:
            raise Failure(Failure.BAD_OUTPUT, str(why)) from None


def parsed(text: str) -> object:
    def not_json(constant: str) -> None:
        raise ValueError(f"`{constant}` is not JSON")

    try:
        return json.loads(text, parse_constant=not_json)
    except (ValueError, RecursionError) as err:
        raise Failure(Failure.BAD_INPUT, str(err)) from None


def raised(err: BaseException, func: Callable) -> Failure:
    """The failure for an exception that was not caught, with its file and line; the whole traceback goes to standard error."""
    sys.stderr.write("".join(traceback.format_exception(err)))
    code = getattr(err, "failure_code", None) or (err.code if isinstance(err, Refused) else Failure.RAISED)
    return Failure(code, f"{place(err, func)}: {type(err).__name__}: {err}")


def place(err: BaseException, func: Callable) -> str:
    """`FILE:LINE` of the innermost frame in the agent's own code, or else of the innermost frame."""
    frames = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(err.__traceback__)]
    root = func.__code__.co_filename.rsplit("/", 1)[0] + "/"
    own = [(file, line) for file, line in frames if file.startswith(root) and not file.startswith(_OWN_FOLDER)]
    file, line = (own or frames)[-1]
    return f"{file.removeprefix(root)}:{line}"
