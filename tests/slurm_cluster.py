"""A Slurm cluster of two nodes on this host, with a configuration of its own on ports of its own.

Debian's packages `slurm-wlm` and `munge` have all that it needs.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.servers import free_port, wait_until

SYSTEM_FOLDERS = ("/usr/sbin", "/usr/local/sbin")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "sinfo")
READY_SECONDS = 60
CONFIGURATION = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_min_interval=100000,batch_sched_delay=1
SlurmdTimeout=10
KillWait=2
GresTypes=gpu
MailProg=/bin/true
SwitchType=switch/none
ReturnToService=2
"""
NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=1 RealMemory=4000 State=UNKNOWN\n"


@dataclass
class SlurmCluster:
    """Two nodes of one CPU each; their slurmd are `nodes`."""

    folder: Path
    nodes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start_node(self, name: str) -> None:
        """Starts a node, which may have been killed."""
        self.nodes[name] = _started(self.folder, ["slurmd", "-D", "-N", name, "-f", str(self.folder / "slurm.conf")])

    def kill_node(self, name: str) -> None:
        """Kills a node's slurmd, and all that runs there."""
        slurmd = self.nodes.pop(name)
        slurmd.kill()
        slurmd.wait()
        self._kill_jobs(name)

    def _kill_jobs(self, name: str) -> None:
        """Kills the jobs of a node with their slurmstepd, which are nobody's children."""
        expected = {"SLURM_CONF": str(self.folder / "slurm.conf"), "SLURMD_NODENAME": name}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if expected.items() <= process.environ().items():
                    step = process.parent()
                    for one in (step, process) if step is not None and step.name() == "slurmstepd" else (process,):
                        one.kill()

    def states(self) -> str:
        """What Slurm says of its nodes."""
        return run("sinfo", "--noheader", "--Node", "--format=%N %t")


def missing_programs() -> list[str]:
    """The programs that are not there."""
    return [program for program in PROGRAMS if _found(program) is None]


def run(*command: str) -> str:
    """The output of a program of Slurm; empty if it fails."""
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stdout


@contextlib.contextmanager
def slurm_cluster(folder: Path) -> Iterator[SlurmCluster]:
    """A cluster that is ready for jobs; SLURM_CONF names it to Slurm's programs while it is there."""
    folder.chmod(0o700)
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o600)
    host = socket.gethostname().partition(".")[0]
    names = ("one", "two")
    text = CONFIGURATION.format(host=host, port=free_port(), user=getpass.getuser(), folder=folder)
    text += "".join(NODE.format(name=name, host=host, port=free_port()) for name in names)
    text += f"PartitionName=all Nodes={','.join(names)} Default=YES MaxTime=INFINITE State=UP\n"
    (folder / "slurm.conf").write_text(text, "utf-8")
    (folder / "gres.conf").write_text("", "utf-8")
    (folder / "state").mkdir()
    cluster = SlurmCluster(folder)
    others = []
    before = os.environ.get("SLURM_CONF")
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    munged = ["munged", "-F", "-f", f"--socket={folder}/munge.socket", f"--key-file={key}",
              f"--pid-file={folder}/munged.pid", f"--log-file={folder}/munged.log",
              f"--seed-file={folder}/munged.seed"]  # fmt: skip
    try:
        others.append(_started(folder, munged))
        wait_until(lambda: (folder / "munge.socket").exists(), READY_SECONDS)
        others.append(_started(folder, ["slurmctld", "-D", "-c", "-f", str(folder / "slurm.conf")]))
        for name in names:
            cluster.start_node(name)
        wait_until(lambda: cluster.states().count("idle") == len(names), READY_SECONDS)
        yield cluster
    finally:
        for name in list(cluster.nodes):
            cluster.kill_node(name)
        for process in reversed(others):
            process.terminate()  # slurmctld ends its helper then
            process.wait(READY_SECONDS)
        if before is None:
            del os.environ["SLURM_CONF"]
        else:
            os.environ["SLURM_CONF"] = before


def _started(folder: Path, command: list[str]) -> subprocess.Popen[bytes]:
    program = _found(command[0])
    assert program is not None
    with (folder / f"{command[0]}-{secrets.token_hex(3)}.out").open("wb") as said:
        return subprocess.Popen([program, *command[1:]], stdout=said, stderr=said, start_new_session=True)


def _found(program: str) -> str | None:
    return shutil.which(program) or shutil.which(program, path=os.pathsep.join(SYSTEM_FOLDERS))
