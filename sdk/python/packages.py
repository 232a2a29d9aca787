#!/usr/bin/env python3
"""Tries which popular packages work in an agent, and writes `PACKAGES.md`; with `--check` it only says whether that page is still right.

Each package is installed by pip in the pinned version, imported when the agent is built and used when it runs, in the sandbox and without any
grant. All are in one agent, each in a module of its own, so that a package that fails does not affect the others.

    python3 sdk/python/packages.py --program target/debug/bailiwick      # `componentize-py` must be on the PATH
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
from typing import NamedTuple

HERE = pathlib.Path(__file__).resolve().parent
TABLE = HERE / "PACKAGES.md"


class Try(NamedTuple):
    """A package, the packages that it needs, how it is imported, and an expression that uses it and must be true."""

    package: str
    needs: tuple[str, ...]
    imports: str
    use: str
    #: Code that must stand at the top of the agent's module besides the import, because it is too late for it when the agent runs.
    ahead: str = ""


TRIES = [
    Try("attrs==26.1.0", (), "import attrs\nThing = attrs.make_class('Thing', ['a', 'b'])", "attrs.asdict(Thing(1, 2)) == {'a': 1, 'b': 2}"),
    Try(
        "beautifulsoup4==4.15.0",
        ("soupsieve==4.1.3", "typing_extensions==4.16.0"),
        "import bs4",
        "bs4.BeautifulSoup('<p class=a>x<p>y', 'html.parser').select_one('p.a').find(string=True) == 'x'",
    ),
    Try("cachetools==8.0.2", (), "import cachetools", "cachetools.LRUCache(2).maxsize == 2"),
    Try(
        "cattrs==26.2.1",
        ("attrs==26.1.0", "typing_extensions==4.16.0"),
        "import attrs, cattrs\n@attrs.define\nclass Thing:\n    a: int",
        "cattrs.structure({'a': '1'}, Thing) == Thing(1)",
    ),
    Try("certifi==2026.10.19.post1", (), "import certifi", "'BEGIN CERTIFICATE' in certifi.contents()"),
    Try(
        "chardet==7.7.0",
        (),
        "import chardet",
        "chardet.detect(b'plain')['encoding'].lower() in ('ascii', 'utf-8', 'windows-1252')",
        "chardet.detect('größer'.encode())",
    ),
    Try("charset-normalizer==3.5.3", (), "import charset_normalizer", "str(charset_normalizer.from_bytes('größer'.encode()).best()) == 'größer'"),
    Try(
        "click==8.5.1",
        (),
        "import click\n@click.command()\n@click.option('--n', type=int)\ndef f(n):\n    return n",
        "f.main(['--n', '3'], standalone_mode=False) == 3",
    ),
    Try(
        "dataclasses-json==0.6.7",
        ("marshmallow==3.26.2", "mypy_extensions==1.2.0", "packaging==26.4", "typing-inspect==0.9.0", "typing_extensions==4.16.0"),
        "import dataclasses, dataclasses_json\n@dataclasses_json.dataclass_json\n@dataclasses.dataclass\nclass Thing:\n    a: int",
        "Thing.from_json('{\"a\": 1}').a == 1",
    ),
    Try("defusedxml==0.7.1", (), "import defusedxml.ElementTree as tree", "tree.fromstring('<a><b/></a>')[0].tag == 'b'"),
    Try(
        "html5lib==1.1",
        ("six==1.17.0", "webencodings==0.6.1"),
        "import html5lib",
        "html5lib.parse('<p>x') is not None",
        "import html5lib.treebuilders.etree",
    ),
    Try("humanize==4.17.0", (), "import humanize", "humanize.naturalsize(3000) == '3.0 kB'"),
    Try("idna==3.20", (), "import idna", "idna.encode('bücher.example') == b'xn--bcher-kva.example'"),
    Try(
        "Jinja2==3.1.6",
        ("MarkupSafe==3.0.4",),
        "import jinja2",
        "jinja2.Template('{% for n in l %}{{ n }},{% endfor %}').render(l=[1, 2]) == '1,2,'",
    ),
    Try(
        "jsonschema==4.17.3",
        ("attrs==26.1.0", "pyrsistent==0.20.0"),
        "import jsonschema",
        "not jsonschema.Draft202012Validator({'type': 'integer'}).is_valid('x')",
        "jsonschema.validate(0, {'$schema': 'https://json-schema.org/draft/2020-12/schema'})",
    ),
    Try(
        "lark==1.3.1",
        (),
        "import lark\nparser = lark.Lark('start: WORD+\\n%import common.WORD\\n%ignore \" \"')",
        "len(parser.parse('a b').children) == 2",
    ),
    Try("Markdown==3.11.3", (), "import markdown", "markdown.markdown('# a') == '<h1>a</h1>'"),
    Try("more-itertools==11.2.1", (), "import more_itertools", "list(more_itertools.chunked([1, 2, 3], 2)) == [[1, 2], [3]]"),
    Try("networkx==3.6.1", (), "import networkx", "networkx.shortest_path(networkx.path_graph(4), 0, 3) == [0, 1, 2, 3]"),
    Try("packaging==26.4", (), "from packaging.version import Version", "Version('1.10') > Version('1.9')"),
    Try("pydantic==1.10.27", ("typing_extensions==4.16.0",), "import pydantic\nclass Thing(pydantic.BaseModel):\n    a: int", "Thing(a='1').a == 1"),
    Try(
        "Pygments==2.21.0",
        (),
        "import pygments.lexers.python, pygments.formatters.html as html",
        "'span' in pygments.highlight('a = 1', pygments.lexers.python.PythonLexer(), html.HtmlFormatter())",
        "import pygments.styles.default",
    ),
    Try("PyJWT==2.15.1", (), "import jwt", "jwt.decode(jwt.encode({'a': 1}, 'k' * 32, 'HS256'), 'k' * 32, ['HS256']) == {'a': 1}"),
    Try("pyparsing==3.3.3", (), "import pyparsing", "pyparsing.Word(pyparsing.nums).parse_string('12')[0] == '12'"),
    Try("python-dateutil==4.0.0", ("six==1.17.0",), "import dateutil.parser", "dateutil.parser.parse('2026-01-02').day == 2"),
    Try("PyYAML==6.0.4", (), "import yaml", "yaml.safe_load('a: [1, 2]') == {'a': [1, 2]}"),
    Try(
        "rich==15.0.0",
        ("markdown-it-py==4.3.0", "mdurl==0.1.2", "Pygments==2.21.0"),
        "import io, rich.console, rich.table",
        "rich.console.Console(file=io.StringIO(), width=40).print('[b]a[/b]') is None",
        "rich.console.Console(file=io.StringIO()).print(':a:')",
    ),
    Try("ruamel.yaml==0.19.1", (), "import ruamel.yaml", "ruamel.yaml.YAML(typ='safe', pure=True).load('a: 1') == {'a': 1}"),
    Try("semver==3.1.2", (), "import semver", "semver.Version.parse('1.2.3').bump_minor() == '1.3.0'"),
    Try("sqlparse==0.6.1", (), "import sqlparse", "sqlparse.format('select 1', keyword_case='upper') == 'SELECT 1'"),
    Try("tabulate==0.10.0", (), "import tabulate", "'1' in tabulate.tabulate([[1, 2]])"),
    Try("tenacity==9.2.1", (), "import tenacity", "tenacity.Retrying(stop=tenacity.stop_after_attempt(2))(lambda: 1) == 1"),
    Try("tomli==2.5.0", (), "import tomli", "tomli.loads('a = 1') == {'a': 1}"),
    Try("toolz==1.2.0", (), "import toolz", "toolz.groupby(len, ['a', 'bb']) == {1: ['a'], 2: ['bb']}"),
    Try("tqdm==4.70.1", (), "import io, tqdm", "sum(tqdm.tqdm([1, 2], file=io.StringIO())) == 3"),
    Try("xmltodict==1.0.4", (), "import xmltodict", "xmltodict.parse('<a>1</a>') == {'a': '1'}"),
    # Packages that can't work. The table shows the error of their import; they are not installed for this.
    *(
        Try(name, (), f"import {name}", "True")
        for name in (
            "requests", "urllib3", "httpx", "aiohttp", "boto3", "psycopg2", "redis", "paramiko",
            "numpy", "pandas", "lxml", "cryptography", "orjson", "regex", "PIL", "pydantic_core", "rpds", "psutil", "keyring",
        )  # fmt: skip
    ),
]

APP = '''
import importlib
from dataclasses import dataclass

import bailiwick

TRIES, WHYS = {{}}, {{}}
for number in range({count}):
    try:
        TRIES[number] = importlib.import_module(f"tries.try_{{number}}")
    except Exception as err:
        WHYS[number] = f"at its import: {{type(err).__name__}}: {{err}}"


@dataclass
class Row:
    works: bool
    reason: str


def tried(number: int) -> Row:
    if number in WHYS:
        return Row(False, WHYS[number])
    try:
        return Row(True, "") if TRIES[number].use() else Row(False, "its answer is wrong")
    except Exception as err:
        return Row(False, f"in use: {{type(err).__name__}}: {{err}}")


@dataclass
class Nothing:
    pass


@bailiwick.agent
def run(input: Nothing) -> list[Row]:
    return [tried(number) for number in range({count})]
'''

MANIFEST = """[agent]
name = "packages"
version = "0.1.0"
licence = "Apache-2.0"
description = "Tries packages."

[build]
python = "app"
"""

HEAD = """# Which packages work in an agent

`sdk/python/packages.py` makes this page: it installs each package in the pinned version, imports it when an agent is built and uses it
when that agent runs, in the sandbox and without any grant. Do not change this page by hand.

If a package has native code and also works without it, as PyYAML and MarkupSafe do, the agent uses it without.

What is not in memory when the agent is built is not there when it runs: neither a module that a package imports only when it is used, nor a data
file beside it. If a line of code at the top of the agent's module helps, the table shows it.

The SDK refuses the packages without a version: their import raises an `ImportError` with this text. They were not installed.

| package | | |
|---|---|---|
"""


def lay_out(folder: pathlib.Path) -> None:
    """Writes an agent with all packages in it."""
    pins = sorted({pin for one in TRIES if "==" in one.package for pin in (one.package, *one.needs)})
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-compile", "--target"]
    subprocess.run([*pip, str(folder), *pins], check=True)
    # The host's own build does this by itself, because the SDK is on its path.
    shutil.copytree(HERE / "bailiwick", folder / "bailiwick", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "tries").mkdir()
    (folder / "tries/__init__.py").touch()
    for number, one in enumerate(TRIES):
        (folder / f"tries/try_{number}.py").write_text(f"{one.imports}\n{one.ahead}\n\n\ndef use():\n    return {one.use}\n")
    (folder / "app.py").write_text(APP.format(count=len(TRIES)))
    (folder / "agent.toml").write_text(MANIFEST)


def tried(program: pathlib.Path, work: pathlib.Path) -> list[dict]:
    """Builds and runs the agent, and returns its output."""
    lay_out(work / "agent")
    (work / "bailiwick.toml").write_text('[agents.packages]\ncomponent = "agent"\nlimits = { memory = "256MiB" }\n')
    where = {"BAILIWICK_HOME": str(work / "home"), "BAILIWICK_STATE": str(work / "state"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [str(program), "run", "packages", "--trust", "--json", "--input", "{}"]
    done = subprocess.run(command, cwd=work, env={**os.environ, **where}, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"the agent ended with {done.returncode}:\n{done.stderr}\n{done.stdout}")
    return json.loads(done.stdout)["claims"]["output"]


def table(rows: list[dict]) -> str:
    lines = []
    for one, row in zip(TRIES, rows, strict=True):
        is_refused = "==" not in one.package and not row["works"]
        word = "works" if row["works"] else "refused" if is_refused else "fails"
        # A reason may contain a vertical bar or a line break, which a line of a table can't contain.
        reason = " ".join(row["reason"].split()).replace("|", "\\|")
        # Remove the name of the exception before a text of the table of replacements.
        reason = re.sub(r"^at its import: NotHere: `\S+` does not work in an agent: ", "", reason)
        if row["works"] and one.ahead:
            reason = f"with `{one.ahead}` at the top"
        lines.append(f"| {one.package.replace('==', ' ')} | {word} | {reason} |")
    return HEAD + "\n".join(lines) + "\n"


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--program", type=pathlib.Path, default=shutil.which("bailiwick") or "bailiwick", help="the program `bailiwick`")
    asked.add_argument("--check", action="store_true", help="write nothing; end with 1 if the table differs")
    args = asked.parse_args()
    with tempfile.TemporaryDirectory() as work:
        made = table(tried(args.program.resolve(), pathlib.Path(work)))
    if not args.check:
        TABLE.write_text(made)
    elif TABLE.read_text() != made:
        sys.exit(f"`{TABLE.name}` differs from what was found:\n{made}")


if __name__ == "__main__":
    main()
