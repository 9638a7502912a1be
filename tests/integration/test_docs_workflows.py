"""The example of the guide to workflows runs as it is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import taskyard
from taskyard.core.task_types.registry import registry
from taskyard.core.workflows.files import read_workflow
from taskyard.worker.cli.app import app
from tests.engine import running_engine
from tests.servers import REPOSITORY
from tests.unit.docs_support import blocks

PAGE = REPOSITORY / "docs" / "how-to" / "workflows.md"


def test_the_example_runs_as_it_is_written(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    types, submission, _ = blocks(PAGE, "python")
    (tmp_path / "pages_of_the_guide.py").write_text(types, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    registry.load()
    with monkeypatch.context() as patch:
        patch.setattr(registry, "types", dict(registry.types))
        registry.load(["pages_of_the_guide"])
        with running_engine(settings, registry) as engine:
            patch.setattr(taskyard, "submit_workflow", engine.submitter.workflows.submit, raising=False)
            known: dict[str, Any] = {}
            exec(submission, known)
            workflow = known["workflow"]
            [text] = blocks(PAGE, "yaml")
            given = read_workflow(text).given
            from_file = engine.submitter.workflows.submit(given["name"], given["tasks"])
            engine.worker()
            engine.agent()
            assert engine.wait_for(workflow.tasks["publish"]).output == {"total": sum(range(200))}
            assert engine.wait_for(from_file.tasks["sum"]).output == {"total": 1}
            assert engine.wait_for(from_file.tasks["alarm"]).state == "cancelled"
            for name in ("database_url", "redis_url", "namespace", "data_dir"):
                patch.setenv(f"TASKYARD_{name.upper()}", str(getattr(settings, name)))
            shown = CliRunner().invoke(app, ["workflow", "show", workflow.id, "--follow", "--json"])
            assert shown.exit_code == 0, shown.output
            assert json.loads(shown.stdout)["workflow"]["counts"] == {"completed": 203}
