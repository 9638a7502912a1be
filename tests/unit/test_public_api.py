"""The public API: what users import, and from where alone."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import taskyard

REPOSITORY = Path(__file__).resolve().parents[2]
# A name that is added, renamed or taken away is a change for users: CHANGELOG.md tells of it.
PUBLIC = {
    "AgentChannel", "AgentInfo", "Answer", "AsyncTaskContext", "BaseAgent", "Busy", "ChildOutcome",
    "ConfigurationError", "Done",
    "TaskResult", "Failure", "IdempotencyConflict", "IllegalTransition", "Message", "PermanentError", "Priority",
    "ResourceLimitError", "RetryAfter", "RetryPolicy", "Run", "Schedule", "Signal", "SubmissionError", "Submitter",
    "Suspended", "TaskContext", "TaskNotFound", "TaskState", "TaskyardError", "TransientError", "Unavailable",
    "UnknownTaskType", "cancel", "children", "reprioritise", "ref", "ref_all", "result", "retry", "send_signal",
    "signal", "submit", "submit_group", "submit_many", "submit_workflow", "task", "task_type",
}  # fmt: skip


def test_the_names_are_these():
    assert set(taskyard.__all__) == PUBLIC
    assert set(dir(taskyard)) == PUBLIC | {"__version__"}


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_each_is_there_and_described(name):
    assert getattr(taskyard, name).__doc__


def test_type_checkers_see_the_same_names():
    tree = ast.parse((REPOSITORY / "taskyard" / "__init__.py").read_text())
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {(node.module, node.names[0].name) for node in block.body if isinstance(node, ast.ImportFrom)}
    assert seen == {(f"taskyard.{home}", name) for name, home in taskyard._HOME_OF.items()}


def test_an_unknown_name_is_told():
    with pytest.raises(AttributeError, match="module 'taskyard' has no attribute 'sumbit'"):
        taskyard.sumbit  # noqa: B018


def test_importing_it_loads_nothing_else():
    code = "import sys, taskyard; print([name for name in sys.modules if name.startswith('taskyard.')])"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


@pytest.mark.parametrize("path", [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))], ids=str)
def test_examples_import_from_taskyard_and_its_client_alone(path):
    if "design" in path.parts:
        return  # about the inside
    imports = re.findall(r"^\s*(?:from|import) (taskyard\.[\w.]+)", path.read_text(), re.MULTILINE)
    assert set(imports) <= {"taskyard.client"}
