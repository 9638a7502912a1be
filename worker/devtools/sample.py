"""Provides a sample workload on input that every machine has, to see an installation at work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psutil

from taskyard.core.config import settings
from taskyard.core.payload.printable_text import printable
from taskyard.worker.devtools.sample_files import PACKAGES, STANDARD_LIBRARY, SUITE

MAX_ROWS = 1500

SCRIPTS = {
    "Primes below two million, by a sieve": """
limit = 2_000_000
sieve = bytearray([1]) * limit
sieve[:2] = b"\\0\\0"
for number in range(2, int(limit ** 0.5) + 1):
    if sieve[number]:
        sieve[number * number :: number] = bytes(len(range(number * number, limit, number)))
print(sum(sieve), "primes, the largest is", sieve.rindex(1))
""",
    "A thousand digits of pi, by Machin's formula": """
def arctan_of_inverse(x, one):
    total = term = one // x
    divisor, sign = 1, 1
    while term:
        term //= x * x
        divisor, sign = divisor + 2, -sign
        total += sign * (term // divisor)
    return total
one = 10 ** 1010
pi = 4 * (4 * arctan_of_inverse(5, one) - arctan_of_inverse(239, one))
print(str(pi // 10 ** 10))
""",
    "All solutions of the eight queens puzzle": """
def place(row, columns, down, up):
    if row == 8:
        return 1
    return sum(
        place(row + 1, columns | {c}, down | {row - c}, up | {row + c})
        for c in range(8) if c not in columns and row - c not in down and row + c not in up
    )
print(place(0, frozenset(), frozenset(), frozenset()), "solutions")
""",
    "Word frequencies of standard input": """
import collections, re, sys
words = collections.Counter(re.findall(r"[a-z]+", sys.stdin.read().lower()))
for word, count in words.most_common(20):
    print(f"{count:6} {word}")
""",
    "SHA-256 of every module at the top of the standard library": """
import hashlib, os, pathlib
for path in sorted(pathlib.Path(os.__file__).parent.glob("*.py")):
    print(hashlib.sha256(path.read_bytes()).hexdigest()[:16], path.name)
""",
    "Half a million random numbers: mean and spread": """
import random, statistics
random.seed(20)
numbers = [random.gauss(100, 15) for _ in range(500_000)]
print(f"mean {statistics.fmean(numbers):.3f}, standard deviation {statistics.stdev(numbers):.3f}")
""",
}


def sample_workload(samples: Path) -> list[dict[str, Any]]:
    """Returns about forty submissions as keyword arguments of `core.submission.submit.submit`.

    They measure the standard library's sources as they are in the folder `samples` (see `sample_files`), profile
    tables of this machine, run scripts and small test suites if code execution is allowed, and some fail on
    purpose: their titles say so.
    """
    tasks = [*_metrics(samples), *_profiles(), *_tests(samples), *_scripts(), *_waiting(), *_failing()]
    return [{**task, "created_by": "sample"} for task in tasks]


def _task(type: str, title: str, input: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"type": type, "title": title, "input": input, **options}


def _metrics(samples: Path) -> list[dict[str, Any]]:
    folders = {f"Complexity of the standard library: {name}": samples / "python" / name for name in PACKAGES}
    folders |= {f"Complexity of Taskyard: {name}": samples / "taskyard" / name for name in ("core", "worker")}
    return [
        _task("code.metrics", title, {"folder": str(folder), "max_files": 100}, priority="low")
        for title, folder in folders.items()
        if any(folder.glob("**/*.py"))
    ]


def _profiles() -> list[dict[str, Any]]:
    tables = {
        "Profile of the processes on this machine": _process_rows(),
        "Profile of the disks of this machine": _disk_rows(),
        "Profile of the files of the standard library": _file_rows(),
    }
    tasks = [_task("analysis.profile", title, {"rows": rows}) for title, rows in tables.items() if rows]
    robust = {"rows": _file_rows(), "outlier_method": "mad"}
    return [*tasks, _task("analysis.profile", "Unusually large files of the standard library", robust, priority="high")]


def _process_rows() -> list[dict[str, Any]]:
    rows = []
    for process in psutil.process_iter(["name", "status", "num_threads", "memory_info", "cpu_times", "ppid"]):
        found = process.info
        memory, cpu = found["memory_info"], found["cpu_times"]
        rows.append(
            {
                "name": printable(found["name"] or ""),
                "status": str(found["status"]),
                "parent": found["ppid"],
                "threads": found["num_threads"],
                "resident_bytes": memory.rss if memory else None,
                "cpu_seconds": round(cpu.user + cpu.system, 2) if cpu else None,
            }
        )
    return rows[:MAX_ROWS]


def _disk_rows() -> list[dict[str, Any]]:
    rows = []
    points = {partition.mountpoint: partition.fstype for partition in psutil.disk_partitions(all=False)}
    for point, kind in {str(Path.cwd().anchor): "root", **points}.items():
        try:
            usage = psutil.disk_usage(point)
        except OSError:
            continue  # mounted, but not readable for this user
        rows.append(
            {
                "mount_point": printable(point),
                "file_system": kind,
                "total_bytes": usage.total,
                "used_bytes": usage.used,
                "percent": usage.percent,
            }
        )
    return rows


def _file_rows() -> list[dict[str, Any]]:
    paths = sorted(path for name in ("*.py", "*/*.py") for path in STANDARD_LIBRARY.glob(name))
    return [
        {"folder": path.parent.name, "name": path.name, "bytes": path.stat().st_size, "name_length": len(path.name)}
        for path in paths[:MAX_ROWS]
    ]


def _tests(samples: Path) -> list[dict[str, Any]]:
    if not settings().allow_code_execution:
        return []
    folder = samples / SUITE
    return [
        _task("testing.pytest", "Tests of the standard library: json, statistics, textwrap", {"folder": str(folder)}),
        _task("testing.pytest", "Tests of statistics", {"folder": str(folder), "tests": ["test_statistics.py"]}),
    ]


def _scripts() -> list[dict[str, Any]]:
    if not settings().allow_code_execution:
        title = "Script, fails on purpose: code execution is switched off (TASKYARD_ALLOW_CODE_EXECUTION)"
        return [_task("code.run", title, {"script": "print('hello')"})]
    text = (STANDARD_LIBRARY / "argparse.py").read_text(encoding="utf-8")
    tasks = [
        _task("code.run", title, {"script": script, "stdin": text if "stdin" in script else ""}, priority="high")
        for title, script in SCRIPTS.items()
    ]
    endless = {"script": "while True: pass", "cpu_seconds": 2}
    return [
        *tasks,
        _task("code.run", "Script that exits with 3, fails on purpose", {"script": "raise SystemExit(3)"}),
        _task("code.run", "Endless script, hits its CPU limit on purpose", endless),
    ]


def _waiting() -> list[dict[str, Any]]:
    return [
        _task("diagnostic.echo", "Echo, urgent", {"value": {"greeting": "hello"}}, priority="urgent"),
        _task("diagnostic.noop", "Nothing, in a thread", {}),
        _task("diagnostic.noop_process", "Nothing, in a process", {}),
        _task("diagnostic.sleep", "Eight seconds with progress", {"seconds": 8}),
        _task("diagnostic.sleep_async", "Three seconds in a coroutine", {"seconds": 3}),
        _task("diagnostic.sleep", "Starts ten seconds later", {"seconds": 1}, delay_seconds=10),
        _task("diagnostic.spin", "Three seconds of arithmetic", {"seconds": 3}),
        _task("diagnostic.spin", "Two seconds of arithmetic with 100 MiB", {"seconds": 2, "allocate_mebibytes": 100}),
        _task("diagnostic.flaky", "Flaky: succeeds at the second attempt", {"succeeds_at_attempt": 2}),
        _task("diagnostic.flaky", "Flaky: succeeds at the third attempt", {"succeeds_at_attempt": 3}, max_attempts=3),
    ]


def _failing() -> list[dict[str, Any]]:
    left = {"seconds": 1, "mode": "grandchildren"}
    return [
        _task("diagnostic.fail", "Fails on purpose, at once", {"message": "this input can't work"}),
        _task("diagnostic.fail", "Fails on purpose, twice", {"kind": "transient"}, max_attempts=2),
        _task("diagnostic.fail", "Fails on purpose: result of the wrong shape", {"kind": "invalid_output"}),
        _task("diagnostic.fail", "Fails on purpose: result that can't be stored", {"kind": "unstorable"}),
        _task("diagnostic.sleep", "Times out on purpose", {"seconds": 60}, timeout_seconds=2, max_attempts=1),
        _task(
            "diagnostic.sleep",
            "Times out on purpose, deaf to signals",
            {"seconds": 60, "mode": "c"},
            timeout_seconds=2,
            max_attempts=1,
        ),
        _task("diagnostic.crash", "Crashes on purpose, twice", {"signal_number": 11}, max_attempts=2),
        _task("diagnostic.sleep", "Leaves processes behind, which are ended", left),
    ]
