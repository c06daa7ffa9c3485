"""The means of isolation, each applied to the process that calls it."""

import ctypes
import os
import resource
import struct
from pathlib import Path

import kernel

CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
ALL = (
    CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET
)  # linux/sched.h

MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 8, 32, 4096, 16384, 1 << 18
MS_RDONLY, MNT_DETACH, AT_FDCWD, AT_RECURSIVE = 1, 2, -100, 0x8000
READ_ONLY_NO_SETUID = 0x1 | 0x2  # MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID

INNER_ID = 1000  # user and group of the program, in its own namespace
NOBODY = 65534  # who that is outside, when root started the run: a limit on processes doesn't bind root
WORK = "/sandbox"  # the working folder, in the program's own view of the files
HOST = b"sandbox"  # the machine's name, there
MOST_FILES, MOST_OPEN, MOST_THREADS, MOST_PENDING = 256, 64, 16, 256


def enter_namespaces(mountpoint: str, readable: list[str], file_bytes: int) -> int:
    """Move to new namespaces, in which there are only `readable`, read-only, and an empty working folder in memory.

    Children of this process are in a process namespace of their own; this process isn't. Returns how many processes
    of the program's user there will be before it. Raises `OSError`.
    """
    user, group = os.geteuid(), os.getegid()
    if user == 0:
        os.setgroups([])
        _leave_as_root()
    else:
        kernel.call("unshare", ALL)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/gid_map").write_text(f"{INNER_ID} {group} 1")
        Path("/proc/self/uid_map").write_text(f"{INNER_ID} {user} 1")
    kernel.set_host_name(HOST)
    _change_root(mountpoint, readable, file_bytes)
    return 0 if user == 0 else 2


def _leave_as_root() -> None:
    """New namespaces in which root is root, and the program's user is nobody. Only a process outside can say so."""
    ready, done = os.pipe(), os.pipe()
    me = os.getpid()
    helper = os.fork()
    if helper == 0:
        code = 1
        try:
            os.close(ready[1])
            if os.read(ready[0], 1):
                for kind in ("gid_map", "uid_map"):
                    Path(f"/proc/{me}/{kind}").write_text(f"0 0 1\n{INNER_ID} {NOBODY} 1\n")
                code = 0
        finally:
            os._exit(code)
    try:
        kernel.call("unshare", ALL)
        os.write(ready[1], b".")
    finally:
        for end in (*ready, *done):
            os.close(end)
        status = os.waitpid(helper, 0)[1]
    if status:
        raise OSError(1, "a user namespace for root: its users can't be named")


def _change_root(mountpoint: str, readable: list[str], file_bytes: int) -> None:
    """Make a root of `readable` and an empty folder, and leave the old one."""
    kernel.mount("none", "/", None, MS_REC | MS_PRIVATE)
    kernel.mount("tmpfs", mountpoint, "tmpfs", MS_NOSUID | MS_NODEV, "size=64k,mode=755")
    for path in readable:
        target = Path(mountpoint, path.lstrip("/"))
        if Path(path).is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
        kernel.mount(path, str(target), None, MS_BIND | MS_REC)
        attributes = ctypes.c_char_p(struct.pack("=QQQQ", READ_ONLY_NO_SETUID, 0, 0, 0))
        kernel.call("mount_setattr", AT_FDCWD, ctypes.c_char_p(os.fsencode(target)), AT_RECURSIVE, attributes, 32)
    work = Path(mountpoint, WORK.lstrip("/"))
    work.mkdir()
    options = f"size={file_bytes},nr_inodes={MOST_FILES + 1},mode=700,uid={INNER_ID},gid={INNER_ID}"
    kernel.mount("tmpfs", str(work), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options)
    os.chdir(mountpoint)
    here = ctypes.c_char_p(b".")
    kernel.call("pivot_root", here, here)  # the old root now lies over the new one
    kernel.unmount(".", MNT_DETACH)
    os.chdir("/")
    kernel.mount("none", "/", None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)
    os.chdir(WORK)


def become_user() -> None:
    """In namespaces: be the program's user, without rights."""
    os.setresgid(INNER_ID, INNER_ID, INNER_ID)
    os.setresuid(INNER_ID, INNER_ID, INNER_ID)
    kernel.drop_capabilities()


# linux/landlock.h: rights over files. What is handled and not granted by a rule is denied.
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_FILE, MAKE_REG, TRUNCATE = 1, 2, 4, 8, 32, 256, 1 << 14
HANDLED = (1 << 15) - 1  # all of version 3, the first that guards truncation
IN_WORK = WRITE_FILE | READ_FILE | READ_DIR | REMOVE_FILE | MAKE_REG | TRUNCATE  # no folders, links or sockets
FILES_ONLY = READ_FILE | WRITE_FILE | EXECUTE | TRUNCATE
LANDLOCK_CREATE_RULESET_VERSION, LANDLOCK_RULE_PATH_BENEATH = 1, 1


def restrict_files(readable: list[str], work: str) -> None:
    """Landlock: read `readable`, write in the folder `work`, open nothing else. Raises `OSError`."""
    version = kernel.call("landlock_create_ruleset", None, 0, LANDLOCK_CREATE_RULESET_VERSION)
    if version < 3:
        raise OSError(95, f"Landlock: version {version}, and 3 is needed (Linux 6.2)")
    handled = ctypes.c_char_p(struct.pack("=Q", HANDLED))
    rules = kernel.call("landlock_create_ruleset", handled, 8, 0)
    for path in [*readable, work]:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
        rights = IN_WORK if path == work else READ_FILE | READ_DIR
        if not Path(path).is_dir():
            rights &= FILES_ONLY
        beneath = ctypes.c_char_p(struct.pack("=Qi", rights, opened))
        kernel.call("landlock_add_rule", rules, LANDLOCK_RULE_PATH_BENEATH, beneath, 0)
        os.close(opened)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.call("landlock_restrict_self", rules, 0)
    os.close(rules)


def limit_resources(job: dict, tasks_before: int | None) -> None:
    """Limits of this process. `tasks_before`: how many of its user's tasks count already; None: more than its own."""
    seconds = int(job["seconds"]) + 2  # a second after the clock's limit, which tells the better verdict
    limits = {
        "RLIMIT_CPU": seconds,
        "RLIMIT_AS": job["memory_bytes"],
        "RLIMIT_FSIZE": job["file_bytes"],
        "RLIMIT_NOFILE": MOST_OPEN,
        "RLIMIT_CORE": 0,
        "RLIMIT_MEMLOCK": 0,
        "RLIMIT_MSGQUEUE": 0,
        "RLIMIT_SIGPENDING": MOST_PENDING,  # timers count as such
    }
    if tasks_before is not None:
        limits["RLIMIT_NPROC"] = tasks_before + (MOST_THREADS if job["processes"] == 1 else job["processes"])
    for name, value in limits.items():
        if hasattr(resource, name):  # some of them are Linux's own
            kind = getattr(resource, name)
            hardest = resource.getrlimit(kind)[1]
            # at the soft limit of time the signal is SIGXCPU, which tells why; at the hard one it is SIGKILL
            both = (value, value + 1) if name == "RLIMIT_CPU" else (value, value)
            resource.setrlimit(
                kind, both if hardest == resource.RLIM_INFINITY else tuple(min(one, hardest) for one in both)
            )
