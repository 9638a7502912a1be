"""The exporter answers when its process has no descriptor left."""

from __future__ import annotations

import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from tests.integration.test_exporter import free_port
from tests.servers import REPOSITORY

SERVER = """
import os, resource, sys
from taskyard.core.config import load_settings
from taskyard.worker.monitor.exporter import Exporter
exporter = Exporter(load_settings(metrics_port=int(sys.argv[1])), [], health=list, readiness=list)
exporter.start()
resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
taken = []
try:
    while True:
        taken.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    print("full", flush=True)
sys.stdin.readline()
os.close(taken.pop())
os.close(taken.pop())
print("free", flush=True)
sys.stdin.readline()
"""


def test_health_is_answered_without_a_descriptor_left() -> None:
    url = f"http://127.0.0.1:{(port := free_port())}/healthz"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(port)], cwd=REPOSITORY, **pipes)
    assert server.stdout is not None
    assert server.stdin is not None
    with server:
        while "full" not in server.stdout.readline():
            assert server.poll() is None
        for _ in range(3):
            with pytest.raises(urllib.error.HTTPError, match="503") as refused:
                urllib.request.urlopen(url, timeout=5)
            with refused.value as answer:
                assert "no connection can be accepted: [Errno 24]" in answer.read().decode()
        server.stdin.write("\n")
        server.stdin.flush()
        while "free" not in server.stdout.readline():
            assert server.poll() is None
        with urllib.request.urlopen(url, timeout=5) as answer:
            assert answer.read() == b"ok\n"
        server.kill()
