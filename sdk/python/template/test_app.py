import os
import unittest

import app
from bailiwick import testing


class SaysWhichFilesAreTooLong(unittest.TestCase):
    def test_a_file_that_is_too_long_is_a_finding(self):
        output = testing.run(app.run, {"root": os.path.dirname(os.path.abspath(__file__)), "lines_max": 10})
        self.assertGreaterEqual(output["files"], 1)
        self.assertIn("long-file", [found.rule for found in testing.take_findings()])


if __name__ == "__main__":
    unittest.main()
