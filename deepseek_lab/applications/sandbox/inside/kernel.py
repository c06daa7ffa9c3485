"""Linux system calls that Python has no function for, and a filter (seccomp) that denies what a program needs not.

Numbers are from the kernel's asm/unistd.h: (x86_64, aarch64), None where an architecture has no such call.
"""

import ctypes
import errno
import os
import platform
import struct

MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column below; AUDIT_ARCH of linux/audit.h

USED = {
    "mount_setattr": (442, 442),
    "pivot_root": (155, 41),
    "capset": (126, 91),
    "unshare": (272, 97),
    "landlock_create_ruleset": (444, 444),
    "landlock_add_rule": (445, 445),
    "landlock_restrict_self": (446, 446),
}

# fork and its like: denied where the program may have no other process
FORKS = {"fork": (57, None), "vfork": (58, None)}
CLONE, CLONE3 = (56, 220), (435, 435)
SOCKETPAIR, DATAGRAM = (53, 199), 2  # a pair of datagram sockets can send elsewhere too; one of streams can't
CLONE_THREAD, CLONE_NEW_ANYTHING = 0x10000, 0x7E020080  # linux/sched.h

DENIED = {
    # other programs, network (pairs of sockets remain, for event loops), other ways to make calls
    "execve": (59, 221), "execveat": (322, 281), "socket": (41, 198),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    # other processes
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_open": (434, 434), "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424), "tkill": (200, 130),
    "process_madvise": (440, 440), "process_mrelease": (448, 448), "migrate_pages": (256, 238),
    "move_pages": (279, 239), "setpriority": (141, 140), "ioprio_set": (251, 30), "setpgid": (109, 154),
    # namespaces and mounts
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39), "move_mount": (429, 429),
    "open_tree": (428, 428), "fsopen": (430, 430), "fsmount": (432, 432), "fsconfig": (431, 431),
    "fspick": (433, 433), "mount_setattr": (442, 442), "pivot_root": (155, 41), "chroot": (161, 51),
    "open_by_handle_at": (304, 265), "quotactl": (179, 60), "mknod": (133, None), "mknodat": (259, 33),
    # memory that no limit of a process counts
    "shmget": (29, 194), "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180),
    "memfd_create": (319, 279), "memfd_secret": (447, 447),
    # what all wait for
    "sync": (162, 81), "syncfs": (306, 267),
    # corners of the kernel where its faults were
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "keyctl": (250, 219),
    "add_key": (248, 217), "request_key": (249, 218), "personality": (135, 92), "fanotify_init": (300, 262),
    "syslog": (103, 116), "acct": (163, 89), "swapon": (167, 224), "reboot": (169, 142), "init_module": (175, 105),
    "finit_module": (313, 273), "kexec_load": (246, 104), "lookup_dcookie": (212, 18),
}  # fmt: skip

# Where the program has no namespaces of its own: attributes of files, which Landlock doesn't guard
ATTRIBUTES = {
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452), "chown": (92, None),
    "lchown": (94, None), "fchown": (93, 55), "fchownat": (260, 54), "utime": (132, None), "utimes": (235, None),
    "utimensat": (280, 88), "futimesat": (261, None), "setxattr": (188, 5), "lsetxattr": (189, 6),
    "fsetxattr": (190, 7), "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
    "setxattrat": (463, 463), "removexattrat": (466, 466), "file_setattr": (469, 469), "inotify_add_watch": (254, 27),
}  # fmt: skip
# and calls that take a process number number first: one's own (or 0, which means the same) is allowed
OWN_ONLY = {
    "kill": (62, 129),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
}
OWN_LIMITS_ONLY = {
    "prlimit64": (302, 261), "sched_setaffinity": (203, 122), "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118), "sched_setattr": (314, 274),
}  # fmt: skip
PRCTL = (157, 167)  # what ends this process with the one that waits for it is not to be changed
# and (call, its second argument): whom the kernel signals when a file is ready
SIGNALS_BY_FILE = (((72, 25), 8), ((72, 25), 15), ((16, 29), 0x8901), ((16, 29), 0x8902))

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 36, 38
SECCOMP_MODE_FILTER = 2

# Berkeley packet filter instructions (linux/bpf_common.h) and what a filter returns (linux/seccomp.h)
LOAD, EQUAL, ANY_BIT, AT_LEAST, RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x50000
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # offsets within struct seccomp_data


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


_libc = ctypes.CDLL(None, use_errno=True)


def checked(what: str, result: int) -> int:
    """A C function's result. Raises `OSError` naming the call where it failed."""
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def prctl(option: int, value: int, *more: int) -> None:
    """Set an attribute of this process. Raises `OSError`."""
    rest = [ctypes.c_ulong(number) for number in (value, *more, 0, 0, 0)[:4]]
    checked("prctl", _libc.prctl(option, *rest))


def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    """mount(2). Raises `OSError`."""
    kind_bytes = kind.encode() if kind else None
    result = _libc.mount(os.fsencode(source), os.fsencode(target), kind_bytes, ctypes.c_ulong(flags), options.encode())
    checked(f"mount {target}", result)


def unmount(target: str, flags: int) -> None:
    """umount2(2). Raises `OSError`."""
    checked(f"umount {target}", _libc.umount2(os.fsencode(target), flags))


def call(name: str, *arguments) -> int:
    """One of the system calls of `USED`. Raises `OSError`, also where this architecture isn't known here."""
    column, _ = MACHINES.get(platform.machine(), (None, None))
    if column is None:
        raise OSError(errno.ENOSYS, f"{name}: not known on {platform.machine()}")
    given = [ctypes.c_long(item) if isinstance(item, int) else item for item in arguments]
    return checked(name, _libc.syscall(ctypes.c_long(USED[name][column]), *given))


def set_host_name(name: bytes) -> None:
    """The name of this machine, as the UTS namespace has it. Raises `OSError`."""
    checked("sethostname", _libc.sethostname(name, len(name)))


def drop_capabilities() -> None:
    """Give up all rights that root, or the maker of a namespace, has beside the owner's."""
    call("capset", ctypes.c_char_p(struct.pack("=Ii", 0x20080522, 0)), ctypes.c_char_p(bytes(24)))


def filter_calls(may_fork: bool, shares: bool) -> None:
    """Deny the calls above to this process from now on. Raises `OSError`.

    `may_fork`: it may have other processes, which it may signal. `shares`: it isn't in namespaces of its own.
    """
    if platform.machine() not in MACHINES:
        raise OSError(errno.ENOSYS, f"seccomp: calls not known on {platform.machine()}")
    instructions = _instructions(*MACHINES[platform.machine()], may_fork, shares)
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(instructions), ctypes.addressof(buffer))
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(program))


def _instructions(column: int, architecture: int, may_fork: bool, shares: bool) -> list[tuple]:
    """The filter: (operation, skip if true, skip if not, operand); what no rule denies is allowed."""
    code = [(LOAD, 0, 0, ARCHITECTURE), (EQUAL, 1, 0, architecture), (RETURN, 0, 0, KILL)]
    code += [(LOAD, 0, 0, NUMBER)]
    if column == 0:
        code += [(AT_LEAST, 0, 1, 0x40000000), (RETURN, 0, 0, KILL)]  # the x32 numbering, which has other calls

    def deny(numbers: tuple, code_of_error: int, *tests: tuple) -> None:
        """One rule; `tests` are instructions that either reach the end, which denies, or skip it."""
        if numbers[column] is not None:
            refusal = (RETURN, 0, 0, ERRNO | code_of_error)
            code.extend([(EQUAL, 0, len(tests) + 1 + bool(tests), numbers[column]), *tests, refusal])
            if tests:
                code.append((LOAD, 0, 0, NUMBER))

    for numbers in DENIED.values():
        deny(numbers, errno.EPERM)
    deny(CLONE3, errno.ENOSYS)  # its flags are out of the filter's sight; the C library then uses clone
    flags = (LOAD, 0, 0, ARGUMENTS)
    deny(CLONE, errno.EPERM, flags, (ANY_BIT, 0, 1, CLONE_NEW_ANYTHING))
    deny(SOCKETPAIR, errno.EPERM, (LOAD, 0, 0, ARGUMENTS + 8), (ANY_BIT, 0, 1, DATAGRAM))
    if not may_fork:
        deny(CLONE, errno.EAGAIN, flags, (ANY_BIT, 1, 0, CLONE_THREAD))
        for numbers in FORKS.values():
            deny(numbers, errno.EAGAIN)
    others_barred = OWN_LIMITS_ONLY if may_fork and not shares else {**OWN_LIMITS_ONLY, **OWN_ONLY}
    for numbers in others_barred.values():
        deny(numbers, errno.EPERM, flags, (EQUAL, 2, 0, 0), (EQUAL, 1, 0, os.getpid()))
    if shares:
        for numbers in ATTRIBUTES.values():
            deny(numbers, errno.EPERM)
        deny(PRCTL, errno.EPERM, flags, (EQUAL, 0, 1, PR_SET_PDEATHSIG))
        for numbers, second in SIGNALS_BY_FILE:
            deny(numbers, errno.EPERM, (LOAD, 0, 0, ARGUMENTS + 8), (EQUAL, 0, 1, second))
    return [*code, (RETURN, 0, 0, ALLOW)]
