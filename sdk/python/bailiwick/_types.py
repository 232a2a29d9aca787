"""Converts between JSON and the types of an author: makes schemas, checks and converts input, and writes output.

Types are dataclasses, `str`, `int`, `float`, `bool`, `None`, `Any`, `list`, `tuple[T, ...]`, `dict[str, T]`, `Optional` and unions, `Literal`,
`Enum`. Any other type is a `TypeError` when the agent is imported, and so when it is built.
"""

import dataclasses
import enum
import json
import math
import types
import typing
from typing import Annotated, Any, Literal, Union

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
_CALLED = {str: "a string", int: "a whole number", float: "a number", bool: "true or false", type(None): "null"}
#: BOUND: how much of a value is repeated in an error.
_SHOWN_MAX = 60


class Misfit(Exception):
    """A value does not have the type that it should have."""

    def __init__(self, at: str, why: str) -> None:
        super().__init__(f"`{at}`: {why}" if at else why)


def is_record(kind: Any) -> bool:
    """Whether `kind` is a dataclass (and not a value of one)."""
    return isinstance(kind, type) and dataclasses.is_dataclass(kind)


def schema(kind: Any, *, of_input: bool) -> dict:
    """The schema of a type. The two contracts differ: a field with a default may be missing from an input and never from an output."""
    maker = _Maker(of_input)
    made = maker.record(kind) if is_record(kind) else maker.of(kind, "")
    whole = {"$schema": DIALECT}
    if is_record(kind):
        whole["title"] = kind.__name__
    whole.update(made)
    # The outermost type is written in place. It is in `$defs` as well only if a type within it refers to it.
    if maker.defs:
        whole["$defs"] = dict(sorted(maker.defs.items()))
    return whole


def parts(kind: Any) -> tuple[Any, tuple, str | None]:
    """The bare type, its arguments in brackets, and the description from `Annotated`."""
    said = None
    if typing.get_origin(kind) is Annotated:
        kind, *notes = typing.get_args(kind)
        said = next((note for note in notes if isinstance(note, str)), None)
    origin = typing.get_origin(kind)
    if origin is types.UnionType:
        origin = Union
    return (origin or kind), typing.get_args(kind), said


def fields(kind: type) -> list[tuple[dataclasses.Field, Any]]:
    """A dataclass's fields that its author sets, each with its type."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return [(field, hints[field.name]) for field in dataclasses.fields(kind) if field.init]


def is_optional(field: dataclasses.Field) -> bool:
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


class _Maker:
    def __init__(self, of_input: bool) -> None:
        self.of_input, self.defs, self.names = of_input, {}, {}

    def of(self, kind: Any, at: str) -> dict:
        bare, args, said = parts(kind)
        made = self.bare(bare, args, at)
        return {"description": said, **made} if said else made

    def bare(self, bare: Any, args: tuple, at: str) -> dict:
        if bare in (Any, object):
            return {}
        if isinstance(bare, typing.Hashable) and bare in _PLAIN:
            return {"type": _PLAIN[bare]}
        if bare is None:
            return {"type": "null"}
        if is_record(bare):
            return self.reference(bare)
        if bare in (list, tuple):
            inner = one_of_a_kind(bare, args, at)
            return {"type": "array", **({} if inner is Any else {"items": self.of(inner, f"{at}/0")})}
        if bare is dict:
            inner = value_of_dict(args, at)
            return {"type": "object", **({} if inner is Any else {"additionalProperties": self.of(inner, f"{at}/*")})}
        if bare is Union:
            return self.union([self.of(arg, at) for arg in args])
        if bare is Literal:
            return {"enum": list(args)}
        if isinstance(bare, type) and issubclass(bare, enum.Enum):
            return {"enum": [case.value for case in bare], **docs(bare)}
        raise TypeError(f"{at or 'the type'}: `{bare!r}` is not a type that JSON can express")

    def union(self, made: list[dict]) -> dict:
        simple = [one["type"] for one in made if set(one) == {"type"} and isinstance(one["type"], str)]
        return {"type": simple} if len(simple) == len(made) else {"anyOf": made}

    def reference(self, kind: type) -> dict:
        if kind not in self.names:
            taken = set(self.names.values())
            name, number = kind.__name__, 2
            while name in taken:
                name, number = f"{kind.__name__}{number}", number + 1
            self.names[kind] = name
            self.defs[name] = self.record(kind)
        return {"$ref": f"#/$defs/{self.names[kind]}"}

    def record(self, kind: type) -> dict:
        properties, required = {}, []
        for field, hint in fields(kind):
            made = self.of(hint, f"{kind.__name__}.{field.name}")
            said = field.metadata.get("description")
            if said:
                made = {**made, "description": said}
            if is_optional(field) and self.of_input:
                default = field.default if field.default is not dataclasses.MISSING else field.default_factory()
                made = {**made, "default": dump(default)}
            else:
                required.append(field.name)
            properties[field.name] = made
        made = {**docs(kind), "type": "object", "properties": properties, "additionalProperties": False}
        return {**made, "required": required} if required else made


def docs(kind: type) -> dict:
    """The docstring as a description. A dataclass without one has its signature as docstring, which is left out."""
    said = kind.__dict__.get("__doc__") or ""
    if not said or said.startswith(f"{kind.__name__}(") or (issubclass(kind, enum.Enum) and said == enum.Enum.__doc__):
        return {}
    return {"description": " ".join(said.split())}


def one_of_a_kind(bare: type, args: tuple, at: str) -> Any:
    if bare is tuple and args and (len(args) != 2 or args[1] is not Ellipsis):
        raise TypeError(f"{at}: of the tuples only `tuple[T, ...]` can be JSON")
    return args[0] if args else Any


def value_of_dict(args: tuple, at: str) -> Any:
    if args and args[0] is not str:
        raise TypeError(f"{at}: the keys of a JSON object are `str`")
    return args[1] if args else Any


def fit(kind: Any, value: Any, at: str = "") -> Any:
    """The value converted to that type. Raises `Misfit` with the place as a JSON pointer."""
    bare, args, _ = parts(kind)
    if bare in (Any, object):
        return value
    if bare is None:
        bare = type(None)
    if isinstance(bare, typing.Hashable) and bare in _PLAIN:
        return fit_plain(bare, value, at)
    if is_record(bare):
        return fit_record(bare, value, at)
    if bare in (list, tuple):
        if not isinstance(value, list):
            raise Misfit(at, f"{shown(value)} is not a list")
        inner = one_of_a_kind(bare, args, at)
        return bare(fit(inner, one, f"{at}/{index}") for index, one in enumerate(value))
    if bare is dict:
        if not isinstance(value, dict):
            raise Misfit(at, f"{shown(value)} is not an object")
        inner = value_of_dict(args, at)
        return {name: fit(inner, one, f"{at}/{escaped(name)}") for name, one in value.items()}
    if bare is Union:
        return fit_union(args, value, at)
    if bare is Literal:
        found = [one for one in args if one == value and type(one) is type(value)]
        if found:
            return found[0]
        raise Misfit(at, f"{shown(value)} is not one of {', '.join(map(shown, args))}")
    if isinstance(bare, type) and issubclass(bare, enum.Enum):
        found = [case for case in bare if case.value == value and type(case.value) is type(value)]
        if found:
            return found[0]
        raise Misfit(at, f"{shown(value)} is not one of {', '.join(shown(case.value) for case in bare)}")
    raise TypeError(f"{at or 'the type'}: `{bare!r}` is not a type that JSON can express")


def fit_plain(bare: type, value: Any, at: str) -> Any:
    # `True` is an `int` in Python but not a number in JSON; 3.0 is a whole number in JSON but not an `int` in Python.
    is_bool = isinstance(value, bool)
    if bare is float and isinstance(value, (int, float)) and not is_bool:
        return float(value)
    if bare is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bare) and (bare is bool or not is_bool):
        return value
    raise Misfit(at, f"{shown(value)} is not {_CALLED[bare]}")


def fit_record(kind: type, value: Any, at: str) -> Any:
    if not isinstance(value, dict):
        raise Misfit(at, f"{shown(value)} is not an object")
    known = {field.name: (field, hint) for field, hint in fields(kind)}
    for name in value:
        if name not in known:
            raise Misfit(at, f"there is no `{shortened(name)}`; there are {', '.join(f'`{one}`' for one in known) or 'no fields'}")
    given = {}
    for name, (field, hint) in known.items():
        if name in value:
            given[name] = fit(hint, value[name], f"{at}/{escaped(name)}")
        elif not is_optional(field):
            raise Misfit(at, f"`{name}` is missing")
    try:
        return kind(**given)
    except ValueError as err:
        # The dataclass checks its values itself, in its `__post_init__`.
        raise Misfit(at, str(err)) from err


def fit_union(args: tuple, value: Any, at: str) -> Any:
    whys = []
    for arg in args:
        try:
            return fit(arg, value, at)
        except Misfit as why:
            whys.append(why)
    # For an optional value, the reason of the other type is more useful than "is not null".
    others = [why for arg, why in zip(args, whys) if arg is not type(None)]
    if len(others) == 1:
        raise others[0]
    raise Misfit(at, f"{shown(value)} fits none of the allowed types")


def dump(value: Any, at: str = "") -> Any:
    """The value in a form that `json` can write. Raises `Misfit` if there is none."""
    if is_record(type(value)):
        return {field.name: dump(getattr(value, field.name), f"{at}/{field.name}") for field, _ in fields(type(value))}
    if isinstance(value, enum.Enum):
        return dump(value.value, at)
    if isinstance(value, dict):
        for name in value:
            if not isinstance(name, str):
                raise Misfit(at, f"the key {shown(name)} is not a string")
        return {str(name): dump(one, f"{at}/{escaped(name)}") for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [dump(one, f"{at}/{index}") for index, one in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise Misfit(at, f"{value} is not a number in JSON")
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise Misfit(at, f"a `{type(value).__name__}` can't be written as JSON")


def shown(value: Any) -> str:
    """A value for an error message: short, and written as JSON if possible."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    names = {None: "null", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return names[value]
    return shortened(json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value))


def shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_MAX else text[:_SHOWN_MAX] + "…"


def escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
