"""The examples of the README work."""

import pathlib
import re
import sys
import types
import unittest

from bailiwick import testing

README = pathlib.Path(__file__).resolve().parent.parent / "README.md"


class Readme(unittest.TestCase):
    def setUp(self):
        self.agent, self.client, self.test = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)

    def module(self, name, text):
        module = types.ModuleType(name)
        sys.modules[name] = module
        self.addCleanup(sys.modules.pop, name)
        exec(compile(text, f"{name}.py", "exec"), vars(module))
        return module

    def test_the_first_agent_passes_its_test(self):
        self.module("app", self.agent)
        tests = self.module("test_app", self.test)
        result = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromModule(tests).run(result)
        self.assertEqual((result.testsRun, result.failures, result.errors), (2, [], []))

    def test_the_client_is_as_shown(self):
        client = self.module("client", self.client)
        self.assertEqual(client.names("http://a.test"), ["not granted"])
        with testing.answer_http(lambda request: testing.response(200, '{"name": "b"}')):
            self.assertEqual(client.names("http://a.test"), ["b", "13", *['{"name": "b"}'] * 3])


if __name__ == "__main__":
    unittest.main()
