"""The SDK for agents in Python: an agent is one function from an input to an output, and sees nothing of the host.

It mirrors the project's `wit/` folder and `wasi:http`, and imports nothing but the standard library and the bindings that
componentize-py makes. Natively, without these bindings, everything can be imported too: `bailiwick.testing` stands in for the host.
"""

from ._failure import Failure, Refused
from ._entry import SCHEMAS_INPUT, agent, run
from . import _imports, _logger, findings, http, progress

__all__ = ["SCHEMAS_INPUT", "Failure", "Refused", "agent", "findings", "http", "progress", "run"]

_logger.install()
if _imports.is_in_sandbox():
    _imports.install()
