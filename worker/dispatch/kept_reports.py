"""Keeps reports of agents that are newer than this leader, for one that understands them (P21).

They are rows, so nothing that befalls Redis or the leader touches them. Until such a leader has applied a report, none
of the attempts that it names is given up: it may say how they ended. What that leader applies is an entry like those of
the results, and deleted after the commit of all that it led to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import msgspec
import structlog

from taskyard.core.errors import ErrorClass
from taskyard.core.ids import agent_name_of, is_id
from taskyard.core.postgres.store.kept_reports import Kept, NewReport
from taskyard.core.protocol import MAX_INTEGER, VERSION, AgentInfo, Pair
from taskyard.core.redis.decoding import Unreadable, elements

MAX_KEPT = 10_000  # reports; what comes beyond that stays in the results, to be read again by the next term
MAX_KEPT_BYTES = 256 << 20
SLICE, SLICE_BYTES = 100, 8 << 20  # reports that one tick applies
MAX_SCALAR_BYTES = 2_000
ERROR_CLASSES = frozenset(ErrorClass)
ENTRY = b"kept:"  # begins the name of an entry that is a kept report
Held = tuple[Pair, str | None]  # an attempt that a report names, and the agent whose own results brought that

log = structlog.get_logger(__name__)


class _Header(msgspec.Struct):
    """What is read of a registration that can't be read as a whole."""

    id: str
    version: int


class _Beat(msgspec.Struct):
    """What is read of a heartbeat that can't be read as a whole."""

    agent: _Header


class KeptReports:
    """One term's kept reports, and the claims that they hold back."""

    def __init__(self) -> None:
        self._versions: dict[str, int] = {}  # of boots that are newer than this leader
        self._kept: dict[int, Kept] = {}
        self._new: list[NewReport] = []  # kept in this term, and not seen in the table yet
        self._due: dict[int, Kept] = {}  # which this leader understands, and has not read
        self._asked: set[int] = set()
        self._read: list[tuple[bytes, bytes]] = []  # entries: of reports that are to be applied now
        self._applied: list[int] = []
        self._size_bytes = 0  # of _kept and _new
        self._withheld: Counter[Held] = Counter()
        self.parked: dict[Pair, Any] = {}  # claims that look lost and may have ended so; see withheld_claims
        self._full: dict[bytes, list[Held]] = {}  # entries that stay in the results, with what they name
        self._logged: set[tuple[int, str]] = set()

    def __len__(self) -> int:
        return len(self._kept) + len(self._new) + len(self._full)

    def load(self, found: Sequence[Kept], versions: Iterable[tuple[str, int]]) -> None:
        """Takes what the term found: all kept reports, and the versions of registered boots."""
        self._versions.update((agent_id, version) for agent_id, version in versions if version > VERSION)
        self._kept = {one.id: one for one in found}
        self._due = {one.id: one for one in found if one.version <= VERSION}
        self._count()

    def note_agent(self, info: AgentInfo) -> None:
        """Remembers a boot that is newer than this leader."""
        if info.version > VERSION:
            self._versions[info.id] = info.version

    def is_newer(self, agent_id: str, heartbeat: bytes) -> bool:
        """Returns True for an unreadable heartbeat of a newer boot: that lives, and gets nothing from this leader."""
        try:
            version = msgspec.json.decode(heartbeat, type=_Beat).agent.version
        except (ValueError, RecursionError):
            return False
        if version > VERSION and agent_id not in self._versions:
            log.warning("agent.newer", agent=agent_id, version=version, knows=VERSION, hint="upgrade the workers")
            self._versions[agent_id] = version
        return version > VERSION

    def check(self, report: object) -> None:
        """Raises ValueError for a readable report with a value that only a newer leader understands."""
        failure = getattr(report, "failure", None) if self._versions else None
        if failure is None or failure.error_class in ERROR_CLASSES:
            return
        if getattr(report, "agent_id", "") in self._versions:
            raise ValueError(f"failure: {failure.error_class!r} is no class of this version")

    # what this leader does not understand

    def version_of(self, report: Unreadable, sender: str | None) -> int:
        """Returns the version in which a report was written, by its boot; 0: none newer than this leader's."""
        if not report.tag:
            return 0
        found = [self._versions[text] for text in _texts(report) if text in self._versions]
        header = _header(report.text)
        if header is not None:
            found.append(header.version)
        if not found and sender is not None:
            found = [version for boot, version in self._versions.items() if agent_name_of(boot) == sender]
        newest = max(found, default=0)
        return newest if VERSION < newest <= MAX_INTEGER else 0

    def keep(self, report: Unreadable, version: int, sender: str | None, entry: bytes) -> NewReport | None:
        """Returns what is to be kept; None if there is no room, so that its entry has to stay."""
        new = NewReport(version, report.tag, sender, _boot(report, self._versions) or sender or "", _pairs(report.text),
                        report.reason, report.text, entry)  # fmt: skip
        if (version, report.tag) not in self._logged:
            self._logged.add((version, report.tag))
            hint = "upgrade the workers: until then it is kept"
            log.warning("report.kept", agent=new.agent_id, kind=report.tag, version=version, knows=VERSION, hint=hint)
        self._withheld.update(_held(new))
        if len(self._kept) + len(self._new) >= MAX_KEPT or self._size_bytes + len(new.body) > MAX_KEPT_BYTES:
            self._full.setdefault(entry, []).extend(_held(new))
            return None
        self._new.append(new)
        self._size_bytes += len(new.body)
        return new

    def keeps(self, entry: bytes) -> bool:
        """Returns True if an entry has to stay in the results, since the table has no room."""
        return entry in self._full

    # what they hold back

    def withholds(self, pair: Pair, agent_id: str) -> bool:
        """Returns True if an attempt of an agent may have ended by a kept report.

        What an agent with credentials of its own says holds back no attempt of another one.
        """
        return bool(self._withheld) and any(
            self._withheld[pair, sender] > 0 for sender in (None, agent_name_of(agent_id))
        )

    def note(self, found: Sequence[Kept]) -> None:
        """Takes what the table has now: what somebody dropped holds back nothing any more."""
        if not found and not self._kept and not self._new:
            return
        waiting = self._due.keys() | {_number(entry) for entry, _ in self._read}
        self._kept = {one.id: one for one in found if one.id in waiting or one.version > VERSION}
        self._read = [(entry, body) for entry, body in self._read if _number(entry) in self._kept]
        known = {one.digest for one in found}
        self._new = [one for one in self._new if one.digest not in known]
        self._count()

    def _count(self) -> None:
        named = [_held(one) for one in self._kept.values()] + [_held(one) for one in self._new]
        self._size_bytes = sum(one.size_bytes for one in self._kept.values()) + sum(len(one.body) for one in self._new)
        self._withheld = Counter(held for listed in (*named, *self._full.values()) for held in listed)

    # what this leader understands

    def wanted(self) -> list[int]:
        """Returns the next reports whose texts are to be read: in their order, as many as one tick applies."""
        if self._asked or self._read or not self._due:
            return []
        size_bytes = 0
        for id_, one in list(self._due.items())[:SLICE]:
            size_bytes += one.size_bytes
            if self._asked and size_bytes > SLICE_BYTES:
                break
            self._asked.add(id_)
        return sorted(self._asked)

    def note_bodies(self, bodies: Mapping[int, bytes] | None, *, was_left: bool) -> None:
        """Takes the texts of what was asked for, None: not yet; some may have been dropped. `was_left`: ask again."""
        if was_left:
            self._asked.clear()
        if bodies is None:
            return
        for id_ in sorted(self._asked & bodies.keys()):
            self._read.append((_entry_of(self._due[id_]), b"[%s]" % bodies[id_]))
        for id_ in self._asked:
            del self._due[id_]
        self._asked.clear()

    def take_read(self) -> list[tuple[bytes, bytes]]:
        """Returns the entries that are to be applied now; from here on they hold nothing back."""
        taken, self._read = self._read, []
        for entry, _ in taken:
            report = self._kept.pop(_number(entry))
            self._size_bytes -= report.size_bytes
            self._withheld.subtract(_held(report))
        return taken

    def without_kept(self, consumed: Iterable[bytes]) -> list[bytes]:
        """Returns the entries of the results among these, and remembers the others, which are applied for good."""
        entries = list(consumed)
        self._applied += [_number(entry) for entry in entries if entry.startswith(ENTRY)]
        return [entry for entry in entries if not entry.startswith(ENTRY)]

    def take_applied(self) -> list[int]:
        """Returns the reports that are to be deleted."""
        applied, self._applied = self._applied, []
        return applied


def _entry_of(report: Kept) -> bytes:
    """Returns the name of the entry that a kept report is: as of those that `sender_of` reads."""
    name = b"%s%d" % (ENTRY, report.id)
    return name if report.sender is None else b"%s %s" % (name, report.sender.encode())


def _held(report: Kept | NewReport) -> list[Held]:
    return [(pair, report.sender) for pair in report.pairs]


def _number(entry: bytes) -> int:
    return int(entry.partition(b" ")[0].removeprefix(ENTRY))


def _texts(report: Unreadable) -> list[str]:
    """Returns the short texts among a report's own elements: its boot is one of them."""
    return [value for value in map(_scalar, elements(report.text) or ()) if isinstance(value, str)]


def _boot(report: Unreadable, versions: dict[str, int]) -> str | None:
    header = _header(report.text)
    named = [text for text in _texts(report) if text in versions]
    return header.id if header is not None else next(iter(named), report.agent_id)


def _header(text: bytes) -> _Header | None:
    """Returns whom a registration is of, if this is one."""
    parts = elements(text) or []
    if len(parts) < 2 or parts[0].strip() != b'"hello"':
        return None
    try:
        return msgspec.json.decode(parts[1], type=_Header)
    except (ValueError, RecursionError):
        return None


def _pairs(text: bytes) -> tuple[Pair, ...]:
    """Returns the attempts that a report of any version names: a task id before a number, or lists of these."""
    found: dict[Pair, None] = {}
    values: list[Any] = []
    for part in elements(text) or ():
        values.append(_scalar(part))
        if part.lstrip().startswith(b"[["):
            try:
                found.update((pair, None) for pair in msgspec.json.decode(part, type=list[Pair]) if is_id(pair[0]))
            except (ValueError, RecursionError):
                continue
    for first, second in pairwise(values):
        if isinstance(first, str) and is_id(first) and type(second) is int and 1 <= second <= MAX_INTEGER:
            found[first, second] = None
    return tuple(found)


def _scalar(text: bytes) -> object:
    if len(text) > MAX_SCALAR_BYTES or text.lstrip()[:1] in (b"[", b"{"):
        return None
    try:
        return msgspec.json.decode(text)
    except ValueError:
        return None
