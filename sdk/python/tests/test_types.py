"""Tests the derived schemas, and the conversion of input."""

import enum
import json
import unittest
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Optional

import bailiwick
from bailiwick import _entry, _types, testing


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Inner:
    """What is within."""

    name: str
    weight: float = 1.0


@dataclass
class Tree:
    branches: list["Tree"] = field(default_factory=list)


@dataclass
class Input:
    """What it works on.
    In two lines."""

    path: str = field(metadata={"description": "Which file."})
    inner: Inner
    count: Annotated[int, "How many."] = 3
    maybe: Optional[str] = None
    colour: Colour = Colour.RED
    word: Literal["a", "b"] = "a"
    inners: list[Inner] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)
    either: "int | str" = 0
    anything: Any = None
    yes: bool = False
    pair: tuple[int, ...] = ()


@dataclass
class Output:
    text: str
    colour: Colour = Colour.BLUE


@bailiwick.agent
def echo(input: Input) -> Output:
    if input.path == "fails":
        raise bailiwick.Failure("own-word", "own words")
    if input.path == "raises":
        raise KeyError("a key")
    if input.path == "exits":
        raise SystemExit(3)
    if input.path == "wrong":
        return Output(7)
    if input.path == "strange":
        return Output({1, 2})
    return Output(f"{input!r}")


GOOD = {"path": "p", "inner": {"name": "n"}}


class Schemas(unittest.TestCase):
    maxDiff = None

    def test_an_input_may_leave_out_what_has_a_default_and_nothing_may_be_added(self):
        schema = testing.schemas(echo)["input"]
        self.assertEqual(schema["$schema"], "https://json-schema.org/draft/2020-12/schema")
        self.assertEqual((schema["title"], schema["description"]), ("Input", "What it works on. In two lines."))
        self.assertEqual((schema["required"], schema["additionalProperties"]), (["path", "inner"], False))
        inner = schema["$defs"]["Inner"]
        self.assertEqual((inner["required"], inner["additionalProperties"]), (["name"], False))
        self.assertEqual(inner["description"], "What is within.")

    def test_each_type_has_its_schema(self):
        properties = testing.schemas(echo)["input"]["properties"]
        inner = {"$ref": "#/$defs/Inner"}
        expected = {
            "path": {"type": "string", "description": "Which file."},
            "inner": inner,
            "count": {"description": "How many.", "type": "integer", "default": 3},
            "maybe": {"type": ["string", "null"], "default": None},
            "colour": {"enum": ["red", "blue"], "default": "red"},
            "word": {"enum": ["a", "b"], "default": "a"},
            "inners": {"type": "array", "items": inner, "default": []},
            "names": {"type": "object", "additionalProperties": {"type": "integer"}, "default": {}},
            "either": {"type": ["integer", "string"], "default": 0},
            "anything": {"default": None},
            "yes": {"type": "boolean", "default": False},
            "pair": {"type": "array", "items": {"type": "integer"}, "default": []},
        }
        self.assertEqual(properties, expected)

    def test_an_output_always_has_all_of_it(self):
        schema = testing.schemas(echo)["output"]
        self.assertEqual(schema["required"], ["text", "colour"])
        self.assertNotIn("description", schema, "a dataclass's own signature is not a docstring")
        self.assertNotIn("default", schema["properties"]["colour"])

    def test_a_type_may_contain_itself(self):
        schema = _types.schema(Tree, of_input=True)
        self.assertEqual(schema["properties"]["branches"]["items"], {"$ref": "#/$defs/Tree"})
        self.assertEqual(_types.fit(Tree, {"branches": [{}]}), Tree([Tree()]))

    def test_what_is_no_type_of_json_shows_when_the_agent_is_built(self):
        def takes_a_set(input: set[int]) -> str: ...
        def takes_two(first: str, second: str) -> str: ...
        def says_nothing(input): ...
        async def is_async(input: str) -> str: ...

        for func in (takes_a_set, takes_two, says_nothing, is_async):
            with self.subTest(func.__name__), self.assertRaises(TypeError):
                _entry.Work(func)

    def test_the_reserved_input_and_only_that_asks_for_the_schemas(self):
        self.assertEqual(set(testing.run(echo, {"$schema": "bailiwick:schemas"})), {"input", "output"})
        for other in ({"$schema": "other"}, {"$schema": "bailiwick:schemas", "path": "p"}):
            with self.assertRaises(bailiwick.Failure):
                testing.run(echo, other)


class Fitting(unittest.TestCase):
    def misfit(self, **change):
        with self.assertRaises(bailiwick.Failure) as caught:
            testing.run(echo, {**GOOD, **change})
        self.assertEqual(caught.exception.code, "bad-input")
        return caught.exception.message

    def test_what_fits_arrives_with_its_types(self):
        given = {**GOOD, "colour": "blue", "count": 4.0, "inners": [{"name": "a", "weight": 2}], "pair": [1, 2]}
        fitting = _types.fit(Input, given)
        self.assertEqual((fitting.colour, fitting.count, fitting.pair), (Colour.BLUE, 4, (1, 2)))
        self.assertIsInstance(fitting.count, int)
        self.assertEqual(fitting.inners, [Inner("a", 2.0)])
        self.assertIsInstance(fitting.inners[0].weight, float)

    def test_what_does_not_fit_says_where(self):
        self.assertEqual(self.misfit(count="three"), '`/count`: "three" is not a whole number')
        self.assertEqual(self.misfit(count=True), "`/count`: true is not a whole number")
        self.assertEqual(self.misfit(yes=1), "`/yes`: 1 is not true or false")
        self.assertEqual(self.misfit(inners=[{"name": "a"}, {"name": None}]), "`/inners/1/name`: null is not a string")
        self.assertEqual(self.misfit(names={"a/b": "c"}), '`/names/a~1b`: "c" is not a whole number')
        self.assertEqual(self.misfit(inner={}), "`/inner`: `name` is missing")
        self.assertEqual(self.misfit(inner={"name": "n", "more": 1}), "`/inner`: there is no `more`; there are `name`, `weight`")
        self.assertEqual(self.misfit(colour="green"), '`/colour`: "green" is not one of "red", "blue"')
        self.assertEqual(self.misfit(word="c"), '`/word`: "c" is not one of "a", "b"')
        self.assertEqual(self.misfit(maybe=7), "`/maybe`: 7 is not a string")
        self.assertEqual(self.misfit(either=[]), "`/either`: a list fits none of the allowed types")
        self.assertEqual(self.misfit(count=float("nan")), "`NaN` is not JSON")
        self.assertLess(len(self.misfit(count="x" * 10_000)), 200)

    def test_what_is_not_json_is_bad_input(self):
        for text in ("", "{", "[" * 100_000, '{"path": NaN}'):
            with self.assertRaises(bailiwick.Failure) as caught:
                _entry.Work(echo).answer(text)
            self.assertEqual(caught.exception.code, "bad-input")


class Ending(unittest.TestCase):
    def failure(self, path):
        with self.assertRaises(bailiwick.Failure) as caught:
            testing.run(echo, {**GOOD, "path": path})
        return caught.exception

    def test_an_answer_is_json(self):
        answer = testing.run(echo, GOOD)
        self.assertEqual(answer["colour"], "blue")

    def test_the_agents_own_failure_is_its_own(self):
        failure = self.failure("fails")
        self.assertEqual((failure.code, failure.message), ("own-word", "own words"))

    def test_what_nobody_caught_has_its_file_and_line(self):
        failure = self.failure("raises")
        self.assertEqual(failure.code, "raised")
        self.assertRegex(failure.message, r"^test_types\.py:\d+: KeyError: 'a key'$")
        self.assertRegex(self.failure("exits").message, r"SystemExit: 3$")

    def test_output_that_is_not_of_its_type_is_bad_output(self):
        failure = self.failure("wrong")
        self.assertEqual((failure.code, failure.message), ("bad-output", "`/text`: 7 is not a string"))
        failure = self.failure("strange")
        self.assertEqual((failure.code, failure.message), ("bad-output", "`/text`: a `set` can't be written as JSON"))

    def test_the_module_exports_what_the_toolchain_looks_for(self):
        self.assertIn('"blue"', Agent().run(json.dumps(GOOD)))


class Claims(unittest.TestCase):
    def test_findings_and_progress_are_kept_for_the_test(self):
        bailiwick.findings.report("r", "low", "t", uri="/a", line=1, taxa=[("cwe", "CWE-1")])
        bailiwick.progress.update(1, 2, "half")
        bailiwick.progress.update(2, 2, "all")
        found = testing.take_findings()
        self.assertEqual((found[0].severity, found[0].location.uri), (bailiwick.findings.Severity.LOW, "/a"))
        self.assertEqual((testing.take_findings(), testing.take_progress(), testing.take_progress()), ([], (2, 2, "all"), None))
        with self.assertRaises(ValueError):
            bailiwick.findings.report("r", "dreadful", "t")


if __name__ == "__main__":
    unittest.main()
