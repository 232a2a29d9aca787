"""Asks nothing of the world: returns its input, with values that an interpreter makes at its start, and makes claims.
Input: anything; {"raise": "text"} raises an exception, {"fail": "text"} returns a failure."""

import json
import random
import sys
import time
import uuid

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import findings, progress
from wit_world.imports.bailiwick_agent_types import Failure


class Agent(exports.Agent):
    def run(self, input: str) -> str:
        asked = json.loads(input)
        print("on standard output")
        print("on standard error", file=sys.stderr)
        progress.update(1, 2, "half of it")
        location = findings.Location("file:///src/a", 1, 2)
        findings.report(findings.Finding("plain", findings.Severity.LOW, "a finding", location, None, [], [], ""))
        if "raise" in asked:
            raise RuntimeError(asked["raise"])
        if "fail" in asked:
            raise Err(Failure("of-its-own", asked["fail"]))
        made_up = {"random": random.random(), "uuid": str(uuid.uuid4()), "time": time.time(), "hash": hash("text")}
        return json.dumps({"input": asked, "made_up": made_up})
