"""Filters system calls of submitted code (Linux, seccomp(2)). Only the standard library is imported.

It blocks calls that a script has no use for but could misuse: memory that no limit counts (memfd, System V and
POSIX message queues and shared memory, keys), namespaces and mounts, access to other processes, and kernel
interfaces with many known vulnerabilities.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from taskyard.worker.isolation.kernel import LINUX, MACHINE, PR_SET_SECCOMP, prctl

SECCOMP_MODE_FILTER = 2
ALLOW, KILL, FAIL = 0x7FFF0000, 0x80000000, 0x00050000
LOAD, JUMP_EQUAL, JUMP_ANY_BIT, JUMP_AT_LEAST, RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data
X32_BIT = 0x40000000
NEW_NAMESPACES = 0x7E020080  # all CLONE_NEW… flags, that of time namespaces too
AF_UNIX = 1
AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# By name: number on x86_64, number on aarch64; None where there is none.
_REFUSED: dict[str, tuple[int | None, int | None]] = {
    "shmget": (29, 194), "shmat": (30, 196), "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "process_madvise": (440, 440),
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41),
    "chroot": (161, 51), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219), "bpf": (321, 280),
    "perf_event_open": (298, 241), "userfaultfd": (323, 282), "kexec_load": (246, 104), "init_module": (175, 105),
    "finit_module": (313, 273), "delete_module": (176, 106), "quotactl": (179, 60), "swapon": (167, 224),
    "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264), "fanotify_init": (300, 262),
    "reboot": (169, 142), "acct": (163, 89), "syslog": (103, 116),
}  # fmt: skip
# Libraries go on without these when they seem to be unknown to the kernel.
_UNKNOWN: dict[str, tuple[int | None, int | None]] = {
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "clone3": (435, 435), "io_uring_setup": (425, 425),
}  # fmt: skip
_CLONE, _SOCKET = (56, 220), (41, 198)
_SIGNALS = ((62, 129), (200, 130), (234, 131))  # kill, tkill, tgkill
_OTHER_SIGNALS = ((129, 138), (297, 240), (424, 424))  # rt_sigqueueinfo, rt_tgsigqueueinfo, pidfd_send_signal

Instruction = tuple[int, int, int, int]


def is_available() -> bool:
    """Returns True if there is a filter for this machine."""
    return LINUX and MACHINE in AUDIT_ARCH


def restrict(*, unix_sockets: bool, foreign_signals: bool) -> None:
    """Sets the filter for this process and its descendants; needs no_new_privs. Raises OSError.

    Without `unix_sockets` none can be made (but pairs), without `foreign_signals` only this very process and its
    own group can be signalled.
    """
    program = _program(list(AUDIT_ARCH).index(MACHINE), unix_sockets, foreign_signals)
    packed = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
    code = ctypes.create_string_buffer(packed, len(packed))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program), ctypes.addressof(code)))
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(header))


def _program(column: int, unix_sockets: bool, foreign_signals: bool) -> list[Instruction]:
    program: list[Instruction] = [
        (LOAD, 0, 0, ARCHITECTURE),
        (JUMP_EQUAL, 1, 0, list(AUDIT_ARCH.values())[column]),
        (RETURN, 0, 0, KILL),  # another architecture's calls have other numbers
        (LOAD, 0, 0, NUMBER),
    ]
    if column == 0:
        program += [(JUMP_AT_LEAST, 0, 1, X32_BIT), (RETURN, 0, 0, FAIL | errno.ENOSYS)]
    for calls, answer in ((_REFUSED, errno.EPERM), (_UNKNOWN, errno.ENOSYS)):
        for numbers in calls.values():
            program += _if_call(numbers[column], [(RETURN, 0, 0, FAIL | answer)])
    program += _if_call(_CLONE[column], _if_argument(JUMP_ANY_BIT, NEW_NAMESPACES, errno.EPERM))
    if not unix_sockets:
        program += _if_call(_SOCKET[column], _if_argument(JUMP_EQUAL, AF_UNIX, errno.EACCES))
    if not foreign_signals:
        for numbers in _SIGNALS:
            program += _if_call(numbers[column], _unless_own())
        for numbers in _OTHER_SIGNALS:
            program += _if_call(numbers[column], [(RETURN, 0, 0, FAIL | errno.EPERM)])
    return [*program, (RETURN, 0, 0, ALLOW)]


def _if_call(number: int | None, then: list[Instruction]) -> list[Instruction]:
    """Returns instructions for one call; the number is in the accumulator before and after."""
    return [] if number is None else [(JUMP_EQUAL, 0, len(then), number), *then]


def _if_argument(test: int, value: int, answer: int) -> list[Instruction]:
    """Refuses the call if its first argument passes a test, else allows it."""
    return [
        (LOAD, 0, 0, FIRST_ARGUMENT),
        (test, 0, 1, value),
        (RETURN, 0, 0, FAIL | answer),
        (RETURN, 0, 0, ALLOW),
    ]


def _unless_own() -> list[Instruction]:
    return [
        (LOAD, 0, 0, FIRST_ARGUMENT),
        (JUMP_EQUAL, 2, 0, os.getpid()),
        (JUMP_EQUAL, 1, 0, 0),
        (RETURN, 0, 0, FAIL | errno.EPERM),
        (RETURN, 0, 0, ALLOW),
    ]
