"""Imports and functions that can't work say so, and name a replacement."""

import importlib
import logging
import pathlib
import subprocess
import sys
import tempfile
import types
import unittest
from unittest import mock

from bailiwick import _imports, _logger


class Table(unittest.TestCase):
    def setUp(self):
        # `install` would replace functions of the standard library; that must not last beyond the test.
        with mock.patch.object(_imports, "say_why"):
            _imports.install()
        self.addCleanup(_imports.uninstall)
        self.addCleanup(setattr, _imports, "_is_started", False)

    def refused(self, name):
        sys.modules.pop(name, None)
        with self.assertRaises(ImportError) as caught:
            importlib.import_module(name)
        return str(caught.exception)

    def test_a_package_that_can_not_work_names_its_replacement(self):
        self.assertIn("`bailiwick.http`", self.refused("requests"))
        self.assertIn("`bailiwick.http`", self.refused("aiohttp"))
        self.assertIn("`bailiwick.http.gather`", self.refused("trio"))
        self.assertIn("dataclasses", self.refused("pydantic_core"))
        self.assertIn("`json`", self.refused("orjson"))
        self.assertIn("host adds the credentials", self.refused("boto3"))
        self.assertIn("native code", self.refused("numpy"))

    def test_who_is_prepared_for_it_not_to_be_there_goes_on(self):
        try:
            import requests
        except ModuleNotFoundError as err:
            requests = err.name
        self.assertEqual(requests, "requests")

    def test_native_code_that_was_made_for_the_sandbox_is_let_in(self):
        with tempfile.TemporaryDirectory() as folder:
            package = pathlib.Path(folder, "numpy")
            package.mkdir()
            (package / "__init__.py").write_text("IS_FAKE = True\n")
            with mock.patch.object(sys, "path", [folder, *sys.path]):
                importlib.invalidate_caches()
                self.assertIn("native code", self.refused("numpy"))
                (package / "core.cpython-314-wasm32-wasi.so").touch()
                self.assertTrue(importlib.import_module("numpy").IS_FAKE)
            del sys.modules["numpy"]

    def test_an_import_that_comes_too_late_says_so(self):
        self.assertIn("No module named", self.refused("there_is_no_such_module"))
        _imports.started()
        self.assertIn("at the top of a module", self.refused("there_is_no_such_module"))

    def test_an_agent_that_imports_what_it_has_no_use_for_is_not_built(self):
        module = types.ModuleType("app")
        _imports.check(module)
        module.subprocess = subprocess
        with self.assertRaisesRegex(ImportError, "an agent starts no programs"):
            _imports.check(module)
        from concurrent.futures import ThreadPoolExecutor

        del module.subprocess
        module.Pool = ThreadPoolExecutor
        with self.assertRaisesRegex(ImportError, "`bailiwick.http.gather`"):
            _imports.check(module)


class InUse(unittest.TestCase):
    def test_what_can_not_work_says_so_where_it_is_used(self):
        # Use a separate interpreter, because functions of the standard library are replaced.
        script = (
            "from bailiwick import _imports; _imports.install(); import subprocess, socket, threading\n"
            "for work in (lambda: subprocess.run(['ls']), lambda: socket.create_connection(('a', 1)), lambda: threading.Thread().start()):\n"
            "    try: work()\n"
            "    except (OSError, RuntimeError) as err: print(err)\n"
        )
        here = pathlib.Path(__file__).resolve().parent.parent
        said = subprocess.run([sys.executable, "-c", script], cwd=here, capture_output=True, text=True, check=True).stdout.splitlines()
        self.assertIn("starts no programs", said[0])
        self.assertIn("`bailiwick.http`", said[1])
        self.assertIn("one thread", said[2])


class Logging(unittest.TestCase):
    def test_importing_the_package_puts_the_handler_in_place(self):
        script = "import bailiwick, logging; logging.getLogger('a.b').info('one\\ntwo %s', 3); logging.debug('quiet')"
        here = pathlib.Path(__file__).resolve().parent.parent
        said = subprocess.run([sys.executable, "-c", script], cwd=here, capture_output=True, text=True, check=True).stderr
        self.assertEqual(said, "INFO a.b: one\\u{a}two 3\n")

    def test_a_record_is_one_line_with_what_was_raised(self):
        try:
            raise ValueError("a\nb")
        except ValueError:
            record = logging.LogRecord("n", logging.ERROR, "f", 1, "it broke", (), sys.exc_info())
        line = _logger.OneLine().format(record)
        self.assertNotIn("\n", line)
        self.assertRegex(line, r"^ERROR n: it broke \(ValueError: a\\u\{a\}b at .*test_imports\.py:\d+\)$")

    def test_a_long_record_is_cut(self):
        self.assertEqual(len(_logger.one_line("x" * 9000)), _logger.LINE_LENGTH_MAX + 1)


if __name__ == "__main__":
    unittest.main()
