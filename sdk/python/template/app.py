"""Says which files are longer than they should be."""

import logging
import os
from dataclasses import dataclass, field

import bailiwick
from bailiwick import findings, progress

log = logging.getLogger(__name__)


@dataclass
class Input:
    """The input of the agent. Docstrings become part of the schema."""

    root: str = field(default="/src", metadata={"description": "The folder, as the agent sees it."})
    lines_max: int = field(default=500, metadata={"description": "A file with more lines is a finding."})


@dataclass
class Output:
    files: int = 0
    lines: int = 0
    unread: int = field(default=0, metadata={"description": "Files that are not text, or that can't be read."})


@bailiwick.agent
def run(input: Input) -> Output:
    """Counts the lines of every file in the folder."""
    if not os.path.isdir(input.root):
        raise bailiwick.Failure("root", f"there is no folder {input.root}")
    output = Output()
    for path in files(input.root):
        try:
            with open(path, encoding="utf-8") as file:
                lines = sum(1 for _ in file)
        except (OSError, UnicodeDecodeError) as err:
            log.debug("%s can't be read: %s", path, err)
            output.unread += 1
            continue
        if lines > input.lines_max:
            findings.report("long-file", findings.Severity.LOW, f"A file has {lines} lines", uri=path)
        output.files += 1
        output.lines += lines
        progress.update(output.files, 0, "files read")
    return output


def files(root):
    """Every file in a folder, except hidden ones. Links are not followed."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = os.path.join(folder, name)
            if not name.startswith(".") and not os.path.islink(path):
                yield path
