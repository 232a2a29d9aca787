"""The bindings, where there are any: the only file that imports those of Bailiwick's own interfaces.

Natively, `findings` and `progress` are kept here for `bailiwick.testing`.
"""

try:
    from componentize_py_types import Err
    from wit_world.imports import bailiwick_agent_types as types
    from wit_world.imports import findings as wit_findings
    from wit_world.imports import progress as wit_progress

    IN_COMPONENT = True
except ImportError:
    IN_COMPONENT = False

#: Natively: what was reported, and how far it said it was.
kept_findings: list = []
kept_progress: list = []


def failed(failure) -> Exception:
    """The failure as the contract has it; natively, as it is."""
    return Err(types.Failure(failure.code, failure.message)) if IN_COMPONENT else failure


def word(case) -> str:
    """A case of an enum as the contract spells it: `NOT_GRANTED` is `not-granted`."""
    return case.name.lower().replace("_", "-")
