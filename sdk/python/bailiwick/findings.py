"""Findings of the agent. A finding is a claim: it needs no grant, and the report shows it as unverified."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from . import _wire
from ._failure import Refused

__all__ = ["Finding", "Location", "Severity", "Taxon", "report"]


class Severity(Enum):
    """How severe a finding is, in the agent's own judgement."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


@dataclass(frozen=True)
class Location:
    """A place in a file or on the network. Lines and columns count from 1; 0 means that there is none."""

    uri: str
    line: int = 0
    column: int = 0


@dataclass(frozen=True)
class Taxon:
    """An id in a public taxonomy: `Taxon("cwe", "CWE-798")`."""

    scheme: str
    id: str


@dataclass(frozen=True)
class Finding:
    """One finding. Never put a secret into any field: findings are shown to people and kept on the record."""

    rule: str
    severity: Severity
    title: str
    location: Location | None = None
    excerpt: str | None = None
    evidence: list[str] = field(default_factory=list)
    taxa: list[Taxon] = field(default_factory=list)
    fingerprint: str = ""


def report(
    rule: str,
    severity: Severity | str,
    title: str,
    *,
    uri: str | None = None,
    line: int = 0,
    column: int = 0,
    excerpt: str | None = None,
    evidence: Iterable[str] = (),
    taxa: Iterable[Taxon | tuple[str, str]] = (),
    fingerprint: str = "",
) -> None:
    """Report one finding. `uri` is a path as the agent sees it, or a URL without user, password or query.

    Raises `bailiwick.Refused`: `malformed` if a field is longer than 4,096 bytes, a list longer than 64 or the whole longer than
    32 KiB as JSON; `over-limit` past the run's number of findings.
    """
    location = None if uri is None else Location(uri, line, column)
    taxa = [taxon if isinstance(taxon, Taxon) else Taxon(*taxon) for taxon in taxa]
    finding = Finding(rule, Severity(severity), title, location, excerpt, list(evidence), taxa, fingerprint)
    if not _wire.IN_COMPONENT:
        _wire.kept_findings.append(finding)
        return
    try:
        _wire.wit_findings.report(_as_contract(finding))
    except _wire.Err as err:
        raise Refused(_wire.word(err.value.code), err.value.hint) from None


def _as_contract(finding: Finding):
    wit, at = _wire.wit_findings, finding.location
    return wit.Finding(
        rule=finding.rule,
        severity=wit.Severity[finding.severity.name],
        title=finding.title,
        location=None if at is None else wit.Location(at.uri, at.line, at.column),
        excerpt=finding.excerpt,
        evidence=finding.evidence,
        taxa=[wit.Taxon(taxon.scheme, taxon.id) for taxon in finding.taxa],
        fingerprint=finding.fingerprint,
    )
