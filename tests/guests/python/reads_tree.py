"""Walks a folder with os.walk and reads every file with open. Returns path, length and digest. Input: {"folder": "/src"}."""

import hashlib
import json
import os

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports.bailiwick_agent_types import Failure


class Agent(exports.Agent):
    def run(self, input: str) -> str:
        folder = json.loads(input).get("folder")
        if folder is None:
            raise Err(Failure("bad-input", "no folder"))
        files = []
        for where, folders, names in os.walk(folder):
            folders.sort()
            for name in names:
                path = os.path.join(where, name)
                try:
                    with open(path, "rb") as file:
                        content = file.read()
                    files.append({"path": path, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()})
                except OSError as err:
                    files.append({"path": path, "err": type(err).__name__})
        return json.dumps({"files": files})
