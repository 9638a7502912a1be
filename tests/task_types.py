"""Task types for tests of the runners; children load this module by its name."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import io
import logging
import math
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, field_validator

from taskyard.core.errors import PermanentError
from taskyard.core.task_types.registry import RetryPolicy, task_type
from taskyard.worker.attempts.context import TaskContext
from taskyard.worker.isolation.watchdog import HandlerTimedOut


class Nothing(BaseModel):
    pass


class Number(BaseModel):
    number: int = 0


class Seconds(BaseModel):
    seconds: float


class Place(BaseModel):
    where: str
    seconds: float


class Where(BaseModel):
    path: str


class Case(BaseModel):
    case: str


class Value(BaseModel):
    value: Any = None


class Fussy(BaseModel):
    """A model whose own code breaks."""

    text: str = ""

    @field_validator("text")
    @classmethod
    def check(cls, text: str) -> str:
        raise RuntimeError("the validator is broken")


class Real(BaseModel):
    real: float = Field(default=0.0)


def _both(name: str, **options: Any) -> Any:
    """Registers a plain handler as `thread.<name>` and `process.<name>`."""

    def register(handler: Any) -> Any:
        for isolation in ("thread", "process"):
            task_type(f"{isolation}.{name}", isolation=isolation, **options)(handler)
        return handler

    return register


@_both("noop")
def noop(given: Number, context: TaskContext) -> Number:
    return given


@task_type("async.noop")
async def async_noop(given: Number, context: TaskContext) -> Number:
    await asyncio.sleep(0)
    return given


@_both("sleep")
def sleep(given: Seconds, context: TaskContext) -> Nothing:
    time.sleep(given.seconds)
    return Nothing()


@_both("gil_sleep")
def gil_sleep(given: Seconds, context: TaskContext) -> Nothing:
    """Keeps the interpreter from everybody else in its process."""
    ctypes.PyDLL(None).usleep(int(given.seconds * 1_000_000))
    return Nothing()


@_both("c_sleep")
def c_sleep(given: Seconds, context: TaskContext) -> Nothing:
    ctypes.CDLL(None).usleep(int(given.seconds * 1_000_000))
    return Nothing()


@task_type("async.sleep")
async def async_sleep(given: Seconds, context: TaskContext) -> Nothing:
    await asyncio.sleep(given.seconds)
    return Nothing()


@task_type("async.blocking_sleep")
async def async_blocking_sleep(given: Seconds, context: TaskContext) -> Nothing:
    time.sleep(given.seconds)
    return Nothing()


@task_type("async.blocks_elsewhere")
async def async_blocks_elsewhere(given: Place, context: TaskContext) -> Nothing:
    """Blocks its loop in what it started, or while it is being stopped."""

    def block() -> None:
        until = time.monotonic() + given.seconds
        while time.monotonic() < until:
            pass

    async def child() -> None:
        block()

    if given.where == "child":
        await asyncio.create_task(child())
    elif given.where == "callback":
        asyncio.get_running_loop().call_soon(block)
        await asyncio.sleep(0.05)
    elif given.where == "finally":
        try:
            await asyncio.sleep(30)
        finally:
            block()
    elif given.where == "checkpoint":
        context.checkpoint({})
    elif given.where == "gil":
        ctypes.PyDLL(None).usleep(int(given.seconds * 1_000_000))
    elif given.where == "left behind":
        asyncio.get_running_loop().call_later(0.1, block)
    return Nothing()


@task_type("async.ends_others")
async def async_ends_others(given: Case, context: TaskContext) -> Nothing:
    """Cancels every task of its loop but itself, ends the process from a task of its own, or stops the loop."""
    if given.case == "cancel":
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
    elif given.case == "exit":

        async def leave() -> None:
            sys.exit(3)

        await asyncio.create_task(leave())
    elif given.case == "stop":
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0.01)
    return Nothing()


@task_type("async.spin")
async def async_spin(given: Nothing, context: TaskContext) -> Nothing:
    while True:
        pass


@task_type("async.stubborn")
async def async_stubborn(given: Seconds, context: TaskContext) -> Nothing:
    until = time.monotonic() + given.seconds
    while time.monotonic() < until:
        try:
            await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            continue
    return Nothing()


@_both("spin")
def spin(given: Nothing, context: TaskContext) -> Nothing:
    while True:
        pass


@_both("spin_briefly")
def spin_briefly(given: Seconds, context: TaskContext) -> Number:
    until = time.perf_counter() + given.seconds
    turns = 0
    while time.perf_counter() < until:
        turns += 1
    return Number(number=turns)


@_both("swallow")
def swallow(given: Nothing, context: TaskContext) -> Nothing:
    while True:
        try:
            time.sleep(0.001)
            raise ValueError("again")
        except Exception:
            continue


@_both("swallow_all")
def swallow_all(given: Seconds, context: TaskContext) -> Nothing:
    until = time.monotonic() + given.seconds
    while time.monotonic() < until:
        try:
            time.sleep(0.001)
        except BaseException:
            continue
    return Nothing()


@_both("masked")
def masked(given: Nothing, context: TaskContext) -> Nothing:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while True:
        time.sleep(0.05)


@_both("wait_for_cancel")
def wait_for_cancel(given: Where, context: TaskContext) -> Nothing:
    Path(given.path).write_text("started")
    while not context.cancelled:
        time.sleep(0.005)
    Path(given.path).write_text("cleaned up")
    context.raise_if_cancelled()
    return Nothing()


@_both("die")
def die(given: Case, context: TaskContext) -> Nothing:
    if given.case == "os._exit":
        os._exit(7)
    if given.case == "segfault":
        ctypes.string_at(8)
    if given.case == "sys.exit":
        sys.exit(3)
    if given.case == "interrupt":
        raise KeyboardInterrupt
    if given.case == "memory":
        bytearray(1 << 60)
    if given.case == "permanent":
        raise PermanentError("no use")
    if given.case == "secret":
        raise RuntimeError("could not connect to postgresql://me:hunter2@host/db \x00 \ud800 " + "x" * 10_000)
    raise ValueError("bad luck")


GRANDCHILD = """
import os, sys, time
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
open(sys.argv[1], "a").write(f"{os.getpid()}\\n")
time.sleep(600)
"""


@_both("leave_grandchild")
def leave_grandchild(given: Where, context: TaskContext) -> Nothing:
    """Leaves a daemon behind; waits for ever, or ends as the end of the path says."""
    subprocess.run([sys.executable, "-c", GRANDCHILD, given.path], check=True)
    while not Path(given.path).exists() or not Path(given.path).read_text().endswith("\n"):
        time.sleep(0.005)
    if given.path.endswith("crash"):
        os._exit(1)
    while not given.path.endswith("return"):
        time.sleep(1)
    return Nothing()


@_both("fork_and_die")
def fork_and_die(given: Where, context: TaskContext) -> Nothing:
    """A forked process holds the protocol's socket open while its parent dies."""
    pid = os.fork()
    if pid == 0:
        time.sleep(600)
    Path(given.path).write_text(f"{pid}\n")
    os._exit(5)


@_both("fork_and_return")
def fork_and_return(given: Number, context: TaskContext) -> Number:
    """Both processes come back from the handler, one of them by mistake; returns how that one ended."""
    pid = os.fork()
    if pid == 0:
        return given
    _, status = os.waitpid(pid, 0)
    return Number(number=os.waitstatus_to_exitcode(status))


@_both("leave_thread")
def leave_thread(given: Nothing, context: TaskContext) -> Number:
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    return Number(number=os.getpid())


@_both("pid")
def pid(given: Nothing, context: TaskContext) -> Number:
    return Number(number=os.getpid())


@_both("allocate")
def allocate(given: Number, context: TaskContext) -> Number:
    return Number(number=len(bytearray(given.number)))


@_both("recurse")
def recurse(given: Number, context: TaskContext) -> Number:
    """Fails with a traceback of many different lines."""
    if given.number >= 200:
        raise ValueError("the innermost")
    scope: dict[str, Any] = {"recurse": recurse, "given": Number(number=given.number + 1), "context": context}
    exec(f"def f{given.number}(): return recurse(given, context)\nresult = f{given.number}()", scope)
    return scope["result"]


class MuteError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


@_both("mute_error")
def mute_error(given: Nothing, context: TaskContext) -> Nothing:
    raise MuteError


@task_type("thread.stopped", isolation="thread")
def stopped(given: Nothing, context: TaskContext) -> Nothing:
    raise HandlerTimedOut


@_both("fussy")
def fussy(given: Fussy, context: TaskContext) -> Nothing:
    return Nothing()


OUTPUTS: dict[str, Any] = {
    "null": None,
    "nan": float("nan"),
    "nested infinity": {"a": [1, {"b": -math.inf}]},
    "nul": "a\x00b",
    "surrogate": "\ud800",
    "huge integer": 1 << 70,
    "bytes": b"\xff",
    "object": object(),
    "nested object": {"a": [1, {"b": object()}, object()]},
    "cycle": [],
}
OUTPUTS["cycle"].append(OUTPUTS["cycle"])
OUTPUTS["cycle beside an object"] = [OUTPUTS["cycle"], object(), OUTPUTS["cycle"]]


@_both("output")
def output(given: Case, context: TaskContext) -> Value:
    if given.case == "big":
        return Value(value="x" * 10_000)
    if given.case.startswith("deep "):
        value: Any = 1
        for _ in range(int(given.case.removeprefix("deep "))):
            value = [value]
        return Value(value=value)
    return Value(value=OUTPUTS[given.case])


@_both("wrong_output")
def wrong_output(given: Case, context: TaskContext) -> Real:
    values: dict[str, Any] = {"none": None, "dict": {"real": 2.5}, "bad dict": {"real": "x"}, "model": Nothing()}
    if given.case == "changed":
        real = Real()
        real.real = "text"  # type: ignore[assignment]
        return real
    if given.case == "nan":
        return Real(real=math.nan)
    return values[given.case]


@_both("talk")
def talk(given: Value, context: TaskContext) -> Value:
    context.progress(0.5, "half")
    context.log("a line", level="warning")
    context.checkpoint({"step": 3})
    child = context.submit("demo.child", {"a": 1})
    context.send("other", {"hello": given.value})
    print("this goes to the log")
    return Value(value=[child, context.last_checkpoint, context.attempt])


@_both("receive")
def receive(given: Nothing, context: TaskContext) -> Value:
    message = context.receive(1.5)
    assert context.receive() is None
    return Value(value=[message.body, message.sender] if message else None)


@_both("refused")
def refused(given: Nothing, context: TaskContext) -> Nothing:
    context.submit("demo.unknown")
    return Nothing()


@_both("slow_request")
def slow_request(given: Nothing, context: TaskContext) -> Nothing:
    context.checkpoint("slow")
    return Nothing()


@_both("log_surrogate")
def log_surrogate(given: Nothing, context: TaskContext) -> Nothing:
    context.log("half \ud800")
    return Nothing()


@_both("checkpoint_object")
def checkpoint_object(given: Nothing, context: TaskContext) -> Nothing:
    context.checkpoint(object())
    return Nothing()


@task_type("process.write_garbage")
def write_garbage(given: Nothing, context: TaskContext) -> Nothing:
    """Writes what is no frame into every socket of its process."""
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the listing's own descriptor
            if os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                os.write(int(name), b"\xff" * 8)
    time.sleep(600)
    return Nothing()


class Work(BaseModel):
    cpu_seconds: float = 0.0
    memory_bytes: int = 0
    in_child: bool = False


@task_type("thread.work", isolation="thread", timeout_seconds=60)
def work_in_thread(given: Work, context: TaskContext) -> Number:
    return _work(given)


@task_type("process.work", timeout_seconds=60)
def work_in_process(given: Work, context: TaskContext) -> Number:
    if given.in_child:
        burn = "import time\nwhile time.process_time() < %r: pass" % given.cpu_seconds  # noqa: UP031
        subprocess.run([sys.executable, "-c", burn], check=True)
        return Number()
    return _work(given)


def _work(given: Work) -> Number:
    held = b"x" * given.memory_bytes
    until = time.thread_time() + given.cpu_seconds
    while time.thread_time() < until:
        pass
    return Number(number=len(held))


def _print(case: str) -> None:
    if case == "both":
        print("to output")
        print("to error", file=sys.stderr)
        logging.getLogger("acme.client").warning("by a logger")
    elif case == "thread":
        thread = threading.Thread(target=print, args=("from a thread",))
        thread.start()
        thread.join()
    elif case == "program":
        subprocess.run(["sh", "-c", "echo from a program; echo and its error >&2"], check=True)
    elif case == "descriptor":
        os.write(1, b"past Python\n")
    elif case == "odd":
        sys.stdout.buffer.write(b"\xff\xfe\x00 odd\n")
        sys.stdout.write("half \ud800\n")
        sys.stdout.flush()
    elif case == "long line":
        sys.stdout.write("x" * 10_000_000 + "the end")
    elif case == "flood":
        line = "y" * 99 + "\n"
        for _ in range(100):
            sys.stdout.write(line * 10_000)
        print("the end")
    elif case == "secret":
        print("password=hunter2")


def _break_streams(case: str) -> None:
    if case == "close":
        sys.stdout.close()
        sys.stderr.close()
    elif case == "replace":
        sys.stdout = sys.stderr = io.StringIO()
        print("into nowhere")
    elif case == "none":
        sys.stdout = sys.stderr = None  # type: ignore[assignment]
        print("into nowhere")
    elif case == "delete":
        del sys.stdout
    elif case == "descriptors":
        os.close(1)
        os.close(2)


@_both("prints")
def prints(given: Case, context: TaskContext) -> Nothing:
    _print(given.case)
    return Nothing()


@task_type("async.prints")
async def async_prints(given: Case, context: TaskContext) -> Nothing:
    if given.case == "thread":
        await asyncio.to_thread(print, "from a thread")
        await asyncio.get_running_loop().run_in_executor(None, print, "and from another")
    else:
        await asyncio.sleep(0)
        _print(given.case)
    return Nothing()


@_both("breaks_streams")
def breaks_streams(given: Case, context: TaskContext) -> Nothing:
    _break_streams(given.case)
    return Nothing()


@task_type("async.breaks_streams")
async def async_breaks_streams(given: Case, context: TaskContext) -> Nothing:
    _break_streams(given.case)
    await asyncio.sleep(0.05)
    return Nothing()


@_both("prints_and_waits")
def prints_and_waits(given: Seconds, context: TaskContext) -> Nothing:
    print("begun")
    time.sleep(given.seconds)
    return Nothing()


@_both("logs")
def logs(given: Number, context: TaskContext) -> Nothing:
    for number in range(given.number):
        context.log(f"line {number}")
    return Nothing()


@_both("prints_forever")
def prints_forever(given: Nothing, context: TaskContext) -> Nothing:
    while True:
        print("again")


@task_type("async.prints_forever")
async def async_prints_forever(given: Nothing, context: TaskContext) -> Nothing:
    while True:
        print("again")


@task_type("thread.close_descriptors", isolation="thread")
def close_descriptors(given: Nothing, context: TaskContext) -> Nothing:
    """As daemons do it for themselves; these are the agent's."""
    os.closerange(3, 1024)
    return Nothing()


@_both("bear", retry=RetryPolicy(backoff_seconds=0.0))
def bear(given: Case, context: TaskContext) -> Value:
    """Submits equal children, and is killed in the middle of it in each of its first attempts."""
    if given.case == "forked":
        return Value(value=_asked_of_a_fork(context))
    done = context.last_checkpoint or 0
    for number in range(done, 4):
        context.submit(
            "diagnostic.echo", {"value": "equal"}, after=[], requires=set(), title=f"of {given.case}", max_attempts=2
        )
        if context.attempt == number + 1:
            os.kill(os.getpid(), signal.SIGKILL)
        context.checkpoint(number + 1)
    return Value(value=context.attempt)


def _asked_of_a_fork(context: TaskContext) -> str:
    """What a forked process is told when it submits."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        try:
            said = context.submit("diagnostic.echo", {"value": "forked"})
        except PermanentError as error:
            said = str(error)
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        return answer.read()
