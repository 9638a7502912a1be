"""`testing.pytest` over suites that pass, fail, break, crash and hang."""

import pytest
from pydantic import ValidationError

from taskyard.core.config import load_settings
from taskyard.core.errors import PermanentError, ResourceLimitError, TaskCancelled
from taskyard.core.private_files import keep_files_private
from taskyard.worker.handlers import testing
from taskyard.worker.handlers.pytest_records import Records
from taskyard.worker.handlers.testing import Suite, run_tests
from tests.unit.fakes import FakeContext

ALL_OUTCOMES = """
import pytest, time

def test_passes(): pass
def test_fails(): assert 1 == 2, "über"

@pytest.fixture
def broken(): raise ValueError("in the fixture")
def test_error(broken): pass

@pytest.fixture
def torn():
    yield
    raise ValueError("in the teardown")
def test_teardown(torn): pass

@pytest.mark.skip
def test_skipped(): pass
@pytest.mark.xfail
def test_xfailed(): assert 0
@pytest.mark.xfail
def test_xpassed(): pass
def test_slow(): time.sleep(0.2)
"""


@pytest.fixture(autouse=True)
def allowed(monkeypatch, tmp_path):
    monkeypatch.setenv("TASKYARD_DATA_FOLDERS", str(tmp_path))
    keep_files_private()  # as every program does
    monkeypatch.setattr(testing, "settings", lambda: load_settings(allow_code_execution=True))


# Where the runner writes: a test can find out.
FIND_RECORDS = (
    "import builtins, os\nbuiltins.RECORDS_PATH = os.path.join(os.path.dirname(os.getcwd()), 'records.jsonl')"
)


def run(files, context=None, **options):
    return run_tests(Suite(files=files, **options), context or FakeContext())


def test_every_outcome_is_counted():
    context = FakeContext()
    result = run({"test_all.py": ALL_OUTCOMES, "test_gone.py": "import nothing_of_this_name"}, context)
    assert (result.total, result.passed, result.failed, result.errors) == (8, 2, 1, 3)
    assert (result.skipped, result.xfailed, result.xpassed) == (1, 1, 1)
    assert result.slowest[0].name == "test_all.py::test_slow"
    assert result.slowest[0].seconds >= 0.2
    by_name = {failure.name: failure for failure in result.failures}
    assert "nothing_of_this_name" in by_name["test_gone.py"].message
    assert by_name["test_all.py::test_fails"].message.startswith("AssertionError: über")
    assert "assert 1 == 2" in by_name["test_all.py::test_fails"].traceback
    assert by_name["test_all.py::test_error"].kind == "error"
    assert "teardown" in by_name["test_all.py::test_teardown"].message
    assert context.progress_reports[-1][0] == 1.0


def test_failures_fail_the_task_if_asked():
    with pytest.raises(PermanentError, match=r"1 of 1 tests failed.*test_a\.py::test_x: assert 0"):
        run({"test_a.py": "def test_x(): assert 0"}, fail_task_on_failures=True)


def test_folder_is_run_in_place_and_left_as_it_was(tmp_path, monkeypatch):
    monkeypatch.setenv("TASKYARD_DATABASE_URL", "postgresql://user:secret@host/db")
    (tmp_path / "unit").mkdir()
    (tmp_path / "helper.py").write_text("VALUE = 1\n")
    (tmp_path / "unit" / "test_a.py").write_text(
        "import helper, os\n"
        "def test_a(tmp_path): assert helper.VALUE == 1 and 'TASKYARD_DATABASE_URL' not in os.environ\n"
    )
    (tmp_path / "test_b.py").write_text("def test_b(): assert 0\n")
    before = sorted(tmp_path.rglob("*"))
    result = run_tests(Suite(folder=str(tmp_path), tests=["unit"]), FakeContext())
    assert (result.total, result.passed) == (1, 1)
    assert sorted(tmp_path.rglob("*")) == before


def test_keyword_selects():
    result = run({"test_a.py": "def test_one(): pass\ndef test_two(): pass"}, keyword="one and not two")
    assert result.total == 1


@pytest.mark.parametrize(
    ("files", "options", "reason"),
    [
        ({"a.py": ""}, {}, "no tests were found"),
        ({"test_a.py": "def test_a(): pass"}, {"keyword": "no_such"}, "no tests were found"),
        ({"test_a.py": "def test_a(): pass"}, {"keyword": "and and"}, "did not accept its arguments"),
        ({"test_a.py": ""}, {"tests": ["test_b.py"]}, "test_b.py' does not exist"),
        ({"conftest.py": "1 / 0"}, {}, "ZeroDivisionError"),
        (
            {"test_a.py": "import os\ndef test_1(): pass\ndef test_2(): os._exit(0)"},
            {},
            r"ended with code 0 in test_a\.py::test_2 before it was done, after 1 tests",
        ),
        (
            {"test_a.py": "import os\ndef test_1(): os.kill(os.getpid(), 11)"},
            {},
            "ended by SIGSEGV in test_a.py::test_1",
        ),
    ],
)
def test_no_result_says_why(files, options, reason):
    with pytest.raises(PermanentError, match=reason):
        run(files, **options)


def test_hanging_test_is_named():
    for seconds in (3, 6, 12, 24, 60):  # how long the run takes to reach its test depends on what else the machine does
        with pytest.raises(ResourceLimitError, match=rf"wall time limit of {seconds} s") as caught:
            run({"test_a.py": "import time\ndef test_hangs(): time.sleep(600)"}, timeout_seconds=seconds)
        if "in test_a.py::test_hangs" in str(caught.value):
            return
    raise AssertionError(str(caught.value))


def test_cancel_stops_the_run():
    with pytest.raises(TaskCancelled):
        run({"test_a.py": "import time\ndef test_hangs(): time.sleep(600)"}, FakeContext(cancel_after=1))


@pytest.mark.parametrize("given", ["files", "folder"])
def test_tests_are_code_and_need_permission(monkeypatch, tmp_path, given):
    monkeypatch.setattr(testing, "settings", lambda: load_settings(allow_code_execution=False))
    ran = tmp_path / "ran"
    text = f"open({str(ran)!r}, 'w')\ndef test_a(): pass"
    (tmp_path / "test_a.py").write_text(text)
    suite = Suite(folder=str(tmp_path)) if given == "folder" else Suite(files={"conftest.py": text, "test_a.py": text})
    with pytest.raises(PermanentError, match="TASKYARD_ALLOW_CODE_EXECUTION") as caught:
        run_tests(suite, FakeContext())
    assert "\n" not in str(caught.value)
    assert not ran.exists()


def test_only_folders_that_tasks_may_read_are_run(tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "test_a.py").write_text("def test_a(): pass")
    with pytest.raises(PermanentError, match="TASKYARD_DATA_FOLDERS"):
        run_tests(Suite(folder=str(other)), FakeContext())


def test_a_run_sees_its_folder_and_can_change_nothing_in_it(tmp_path):
    (tmp_path / "test_a.py").write_text(
        "import os, pytest\n"
        "def test_a():\n"
        "    assert os.listdir('.') == ['test_a.py']\n"
        "    assert os.getuid() != 0 and not os.path.exists('/etc/shadow')\n"
        "    with pytest.raises(OSError): open('new', 'w')\n"
        "    with pytest.raises(OSError): os.unlink('test_a.py')\n"
    )
    assert run_tests(Suite(folder=str(tmp_path)), FakeContext()).passed == 1


def test_a_run_that_forges_its_records_fails_in_one_line():
    forges = "import os\ndef test_a():\n    open(RECORDS_PATH, 'a').write('no json\\n')"
    with pytest.raises(PermanentError, match="records") as caught:
        run({"test_a.py": forges, "conftest.py": FIND_RECORDS})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "forged",
    [
        b"[" * 100_000 + b"\n",
        b'{"kind": "test"}\n',
        b'{"kind": "finished", "exit_code": []}\n7\n',
        b"\xff\n",
        b"x" * (100 << 20),
    ],
    ids=["deep", "a test without a name", "no exit code", "no text", "long"],
)
def test_forged_records_are_refused_in_one_line(tmp_path, forged):
    path = tmp_path / "records.jsonl"
    path.write_bytes(b'{"kind": "collected", "count": 1}\n')
    records = Records(path)
    records.read()
    with path.open("ab") as file:
        file.write(forged)
    with pytest.raises(PermanentError, match="the run's records") as caught:
        records.read()
    assert "\n" not in str(caught.value)


def test_a_run_can_put_no_link_in_the_place_of_its_records():
    result = run(
        {
            "test_a.py": "import os, pytest\ndef test_a():\n"
            "    with pytest.raises(OSError): os.unlink(RECORDS_PATH)\n"
            "    with pytest.raises(OSError): os.rename(RECORDS_PATH, RECORDS_PATH + '2')\n",
            "conftest.py": FIND_RECORDS,
        }
    )
    assert result.passed == 1


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"folder": "x", "files": {"a.py": ""}},
        {"files": {"../a.py": ""}},
        {"files": {"/a.py": ""}},
        {"files": {"-p.py": ""}},
        {"folder": "x", "tests": ["--pdb"]},
        {"folder": "x", "tests": ["a/../../b"]},
        {"folder": "x", "keyword": "__import__('os')"},
        {"folder": "x", "marker": "a; b"},
    ],
)
def test_unsafe_input_is_refused(given):
    with pytest.raises(ValidationError):
        Suite.model_validate(given)
