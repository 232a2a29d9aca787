"""Finds links between Markdown pages that lead to no file."""

import os
import re
from dataclasses import dataclass, field

import bailiwick
from bailiwick import findings, progress

LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")


@dataclass
class Input:
    """The input of the agent. Docstrings become part of the schema."""

    root: str = field(default="/pages", metadata={"description": "The folder with the pages, as the agent sees it."})


@dataclass
class Output:
    pages: int = 0
    links: int = 0
    dead: int = field(default=0, metadata={"description": "Links that lead to no file; each one is a finding too."})


@bailiwick.agent
def run(input: Input) -> Output:
    """Follows each link of each page to the file that it names. Links to other servers are ignored."""
    if not os.path.isdir(input.root):
        raise bailiwick.Failure("root", f"there is no folder {input.root}")
    output = Output()
    for name in sorted(os.listdir(input.root)):
        if not name.endswith(".md"):
            continue
        page = os.path.join(input.root, name)
        with open(page, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                for found in LINK.finditer(line):
                    check(output, input.root, page, number, found)
        output.pages += 1
        progress.update(output.pages, 0, "pages read")
    return output


def check(output, root, page, number, found):
    """Counts one link, and reports it if it leads to no file."""
    target = found[1]
    if "://" in target:
        return
    output.links += 1
    if not os.path.exists(os.path.join(root, target)):
        output.dead += 1
        title = f"The link to {target} leads to no file"
        findings.report("dead-link", findings.Severity.LOW, title, uri=page, line=number, column=found.start(1) + 1)
