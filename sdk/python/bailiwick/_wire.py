"""The bindings of Bailiwick's own interfaces, if there are any. No other file imports them.

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

#: Natively: the findings that were reported, and the newest progress.
kept_findings: list = []
kept_progress: list = []


def failed(failure) -> Exception:
    """The failure in the type of the WIT interface; natively, the failure itself."""
    return Err(types.Failure(failure.code, failure.message)) if IN_COMPONENT else failure


def word(case) -> str:
    """A case of an enum in the spelling of the WIT interface: `NOT_GRANTED` is `not-granted`."""
    return case.name.lower().replace("_", "-")
