"""Network links between namespaces that can be cut one way, both ways, and slowed.

A kernel may lack netem, so the cable is ours: a TUN device at each end, and a thread that carries the packets.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import select
import shutil
import signal
import struct
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

# Not on everybody's path.
IP_PROGRAM = shutil.which("ip", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]))
TUN_DEVICE = Path("/dev/net/tun")
MAX_PACKET_BYTES = 65_536
_NAMES = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_libc = ctypes.CDLL(None, use_errno=True)
Result = TypeVar("Result")


def ip(*words: str) -> str:
    """Runs iproute2's `ip` and returns what it printed; raises CalledProcessError or FileNotFoundError."""
    if IP_PROGRAM is None:
        raise FileNotFoundError("ip: on Debian, apt-get install iproute2")
    return subprocess.run([IP_PROGRAM, *words], check=True, capture_output=True, text=True).stdout


def inside(namespace: str, action: Callable[[], Result]) -> Result:
    """Calls `action` in a thread of a network namespace; what it opens and starts belongs there."""
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            with (_NAMES / namespace).open() as file:
                if _libc.setns(file.fileno(), _CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), f"setns to {namespace}")
            results.append(action())
        except BaseException as error:  # raised again where it is of use
            errors.append(error)

    thread = threading.Thread(target=run, name=f"inside {namespace}")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def add_namespace(name: str) -> None:
    """A network namespace with its loopback up."""
    ip("netns", "add", name)
    ip("-n", name, "link", "set", "lo", "up")


def remove_namespaces(prefix: str) -> None:
    """Kills whatever runs in the namespaces of this prefix, and removes them."""
    for name in [line.split()[0] for line in ip("netns", "list").splitlines() if line.startswith(prefix)]:
        for pid in ip("netns", "pids", name).split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        ip("netns", "delete", name)


@dataclass(slots=True)
class Direction:
    """One way of a link: what is written into `source`'s device comes out of `target`'s."""

    source: int
    target: int
    is_cut: bool = False
    delay_seconds: float = 0.0
    under_way: deque[tuple[float, bytes]] = field(default_factory=deque)


@dataclass(frozen=True, slots=True)
class Link:
    """A cable between the servers' namespace and a host's."""

    to_servers: Direction
    to_host: Direction

    def cut(self, *, to_servers: bool = True, to_host: bool = True) -> None:
        """From now on packets of these ways are lost, also those under way."""
        self.to_servers.is_cut, self.to_host.is_cut = to_servers, to_host

    def slow(self, delay_seconds: float) -> None:
        """From now on every packet takes this long, each way."""
        self.to_servers.delay_seconds = self.to_host.delay_seconds = delay_seconds

    def restore(self) -> None:
        """As good as new."""
        self.cut(to_servers=False, to_host=False)
        self.slow(0.0)


class Carrier:
    """The thread that carries the packets of all links."""

    def __init__(self) -> None:
        self._directions: dict[int, Direction] = {}
        self._wakes, self._wake = os.pipe()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="carrier", daemon=True)

    def link(self, servers: str, host: str, device: str, network: str) -> Link:
        """Connects two namespaces: `network`.1 at the servers' end, `network`.2 at the host's. Before `start`."""
        near = _tun(servers, device, f"{network}.1", f"{network}.2")
        far = _tun(host, device, f"{network}.2", f"{network}.1")
        link = Link(to_servers=Direction(far, near), to_host=Direction(near, far))
        self._directions |= {far: link.to_servers, near: link.to_host}
        return link

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread and removes the devices."""
        self._is_stopping = True
        os.write(self._wake, b"x")
        if self._thread.ident is not None:
            self._thread.join()
        for file in (*self._directions, self._wakes, self._wake):
            os.close(file)

    def _run(self) -> None:
        poll = select.poll()
        for file in (*self._directions, self._wakes):
            poll.register(file, select.POLLIN)
        while not self._is_stopping:
            heads = [way.under_way[0][0] for way in self._directions.values() if way.under_way]
            wait_ms = None if not heads else max(0.0, 1000 * (min(heads) - time.monotonic()))
            for file, _ in poll.poll(wait_ms):
                if file in self._directions:
                    self._read(self._directions[file])
            for way in self._directions.values():
                self._deliver(way)

    def _read(self, way: Direction) -> None:
        packet = os.read(way.source, MAX_PACKET_BYTES)
        if not way.is_cut:
            way.under_way.append((time.monotonic() + way.delay_seconds, packet))

    def _deliver(self, way: Direction) -> None:
        if way.is_cut:
            way.under_way.clear()
        while way.under_way and way.under_way[0][0] <= time.monotonic():
            _, packet = way.under_way.popleft()
            try:
                os.write(way.target, packet)
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.ENOBUFS):  # lost, as packets may be
                    raise


def _tun(name: str, device: str, address: str, peer: str) -> int:
    """A new device with an address in a namespace; returns the descriptor of its packets."""

    def make() -> int:
        file = os.open(TUN_DEVICE, os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(file, _TUNSETIFF, struct.pack("16sH22x", device.encode(), _IFF_TUN | _IFF_NO_PI))
        return file

    file = inside(name, make)
    ip("-n", name, "address", "add", address, "peer", peer, "dev", device)
    ip("-n", name, "link", "set", device, "up")
    return file
