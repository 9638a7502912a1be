"""How an upgrade is planned, and where the last release comes from."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskyard.core.errors import ConfigurationError
from taskyard.worker.devtools.prove.plan import API, KINDS, WORKER
from taskyard.worker.devtools.prove.upgrade import pages, plan
from taskyard.worker.devtools.prove.upgrade.pages import NEW, OLD, PageReaders, PagesDrawn
from taskyard.worker.devtools.prove.upgrade.release import NAMED_IN, last_release, named_release
from taskyard.worker.devtools.prove.upgrade.run import UpgradeFindings
from tests.servers import REPOSITORY, wait_until

SEEDS = range(40)


def test_every_order_comes_and_the_migration_is_first() -> None:
    orders = {tuple(plan.steps(seed)) for seed in SEEDS}
    assert len(orders) > 30
    for order in orders:
        assert order[0] == plan.MIGRATE
        assert set(order[1:6]) == {*plan.WORKERS, *plan.AGENTS, plan.API}
        assert set(order[6:]) == {f"{plan.BACK}{part}" for part in plan.AGENTS}
    firsts = {order[1] for order in orders}
    assert firsts == {*plan.WORKERS, *plan.AGENTS, plan.API}, "each of them is replaced first at some time"


@pytest.mark.parametrize("count", [0, 1, 9, 36, 100])
def test_all_kills_are_spread_over_the_phases(count: int) -> None:
    phases = plan.phases(7, count)
    assert sum(len(phase.kills) for phase in phases) == count
    shares = [len(phase.kills) for phase in phases]
    assert max(shares) - min(shares) <= 1
    assert plan.phases(7, count) == phases


def test_what_runs_the_last_release_is_not_replaced_by_a_death_before_its_turn() -> None:
    for seed in SEEDS:
        phases, done = plan.phases(seed, 200), set[str]()
        for phase in phases:
            done.add(phase.step)
            killed = {kill.kind for kill in phase.kills}
            if plan.MIGRATE in done and not set(plan.WORKERS) <= done:
                assert WORKER not in killed
            if plan.MIGRATE in done and plan.API not in done:
                assert API not in killed
        assert {kill.kind for phase in phases for kill in phase.kills} == set(KINDS)


def test_the_repository_names_its_last_release() -> None:
    named = named_release(REPOSITORY)
    assert len(named.commit) == 40
    assert (REPOSITORY / "sql" / "migrations" / "versions").glob(f"{named.revision}_*")


@pytest.mark.parametrize("text", ["", "# nothing\n", "abc 0.1\n", "a b c\nd e f\n"])
def test_a_file_that_names_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / NAMED_IN.parent).mkdir()
    (tmp_path / NAMED_IN).write_text(text)
    with pytest.raises(ConfigurationError, match="expected one line"):
        named_release(tmp_path)
    with pytest.raises(ConfigurationError, match="can't be read"):
        named_release(tmp_path / "elsewhere")


def test_a_wheel_of_the_last_release_is_unpacked_once(tmp_path: Path) -> None:
    wheel = tmp_path / "taskyard-0.1.0-py3-none-any.whl"
    with pytest.raises(ConfigurationError, match="is no file"):
        last_release(tmp_path / "cache", wheel)
    wheel.write_bytes(b"no wheel")
    with pytest.raises(ConfigurationError, match="zip"):
        last_release(tmp_path / "cache", wheel)
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("taskyard/__init__.py", "")
    release = last_release(tmp_path / "cache", wheel)
    assert (release.version, release.folder.parent) == ("0.1.0", tmp_path / "cache")
    assert release.variables()["PYTHONPATH"] == str(release.folder)
    assert last_release(tmp_path / "cache", wheel) == release


READER = """
import json, sys, time
with open(sys.argv[2], "w") as records:
    for line in json.loads(sys.argv[1]):
        print(json.dumps(line), file=records)
if not sys.argv[1].endswith(" "):
    time.sleep(600)
"""


@pytest.fixture
def readers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PageReaders]:
    """Readers that draw what the name of the journal says, and end after it if that ends with a space."""
    reader = tmp_path / "reader.py"
    reader.write_text(READER)
    monkeypatch.setattr(pages, "READER", reader)
    found = PageReaders(tmp_path)
    yield found
    found.stop()


def test_pages_of_both_releases_are_counted_from_the_migration_on(readers: PageReaders) -> None:
    readers.migrated_at = 5.0
    readers.start(OLD, {}, Path('[[1, "tasks", ""], [4, "", ""], [6, "", ""], [7, "audit", "x"], [8, "", ""]]'))
    wait_until(lambda: readers.findings()[OLD] == PagesDrawn(2, 2, ("audit: x",)))
    assert readers.have_drawn_all()
    readers.start(NEW, {}, Path('[[6, "tasks", ""], [7, "", ""]]'))
    wait_until(lambda: readers.findings()[NEW] == PagesDrawn(1, 1))
    assert not readers.have_drawn_all()


def test_reader_that_ends_is_a_problem(readers: PageReaders) -> None:
    readers.start(OLD, {}, Path('[[1, "tasks", ""]] '))
    wait_until(readers.have_drawn_all)
    [problem] = readers.findings()[OLD].problems
    assert problem.startswith("its reader ended with code 0: see ")


@pytest.mark.parametrize(
    ("drawn", "is_kept"),
    [(PagesDrawn(9, 2), True), (PagesDrawn(9, 2, ("audit: no such column",)), False), (PagesDrawn(), False)],
)
def test_page_that_fails_breaks_the_promise(drawn: PagesDrawn, is_kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(UpgradeFindings, "is_all_kept", True)
    assert UpgradeFindings(1, pages={OLD: PagesDrawn(9, 2), NEW: drawn}).is_kept is is_kept
