import os
import unittest

import app
from bailiwick import testing

PAGES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pages")


class FindsDeadLinks(unittest.TestCase):
    def test_a_link_to_no_file_is_a_finding_and_one_to_a_file_is_not(self):
        output = testing.run(app.run, {"root": PAGES})
        self.assertEqual(output, {"pages": 2, "links": 3, "dead": 1})
        found = testing.take_findings()
        self.assertEqual([(at.location.line, at.title) for at in found], [(4, "The link to prices.md leads to no file")])


if __name__ == "__main__":
    unittest.main()
