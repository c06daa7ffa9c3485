"""Programs that try to get out, to take more than they may, or to look as if they had passed.

`HOSTILE` are run as programs, `FAKES` against tests, of which they must not pass the one in `FAKED_TEST`. Where one
gets what it must not, it prints "escaped". `OUTSIDE` in a source stands for a folder that belongs to somebody else,
with a file `secret`; `PARENT` for the process that started the run.
"""

# What the run must end with. Two verdicts where it depends on the means of isolation, or on who is first.
VERDICTS = {
    "endless loop": "timeout",
    "sleep in C": "timeout",
    "regular expression that backtracks for ever": "timeout",
    "huge power": "timeout memory",
    "ignores SIGTERM and all it can": "timeout",
    "threads that never end": "timeout",
    "atexit that never ends": "timeout",
    "fork bomb": "processes",
    "fork bomb that catches errors": "timeout",
    "thread bomb": "processes memory error timeout",
    "daemon that outlives its parent": "processes finished",
    "subprocess": "processes error",
    "memory": "memory",
    "memory by anonymous maps": "memory",
    "shared memory segments": "finished",
    "10 GB of print": "output",
    "10 GB to standard error": "output",
    "10 GB past sys.stdout": "output",
    "output that isn't UTF-8": "finished",
    "reads the home folder": "finished",
    "reads files outside": "finished",
    "follows symbolic links out": "finished",
    "reads its parent's environment and memory": "finished",
    "environment": "finished",
    "inherited descriptors": "finished",
    "writes outside": "finished",
    "changes attributes outside": "finished",
    "huge file": "files",
    "a million small files": "files",
    "opens sockets": "finished",
    "abstract unix socket": "finished",
    "kills its parent": "finished",
    "signals by file": "finished",
    "debugs its parent": "finished",
    "new namespaces": "finished",
    "sys.exit": "exit",
    "os._exit": "exit",
    "claims to have finished": "finished",  # and is believed; no test passes by it
    "closes all descriptors": "exit",
    "raises BaseException": "error",
    "exception without text": "error",
    "KeyboardInterrupt": "error",
    "crash in C": "crash",
    "kills itself": "crash exit",
    "deep recursion": "error",
    "deep recursion in C": "crash error memory",
    "syntax error": "error",
    "too deep to compile": "error memory crash",
    "NUL in the source": "error",
    "lone surrogate in the source": "error",
    "int of too many digits": "error",
    "waits for input": "error",
}

HOSTILE = {
    "endless loop": "while True:\n    pass",
    "sleep in C": "import ctypes\nctypes.PyDLL(None).sleep(1000)  # holds the interpreter's lock",
    "regular expression that backtracks for ever": "import re\nre.match('(a+)+$', 'a' * 64 + 'b')",
    "huge power": "x = 10 ** 10 ** 9",
    "ignores SIGTERM and all it can": """
import signal
for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, signal.SIG_IGN)
while True:
    try:
        signal.pause()
    except BaseException:
        pass
""",
    "threads that never end": "import threading, time\nthreading.Thread(target=time.sleep, args=(1000,)).start()",
    "atexit that never ends": "import atexit, time\natexit.register(time.sleep, 1000)",
    "fork bomb": "import os\nwhile True:\n    os.fork()",
    "fork bomb that catches errors": """
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
""",
    "thread bomb": """
import threading, time
threading.stack_size(32768)
while True:
    threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
""",
    "daemon that outlives its parent": """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in range(3):
            os.close(number)
        time.sleep(1000)
    os._exit(0)
os.wait()
""",
    "subprocess": "import subprocess\nsubprocess.run(['/bin/sh', '-c', 'echo escaped'])",
    "memory": "kept = []\nwhile True:\n    kept.append(bytearray(10_000_000))",
    "memory by anonymous maps": """
import mmap
kept = []
while True:
    kept.append(mmap.mmap(-1, 10_000_000))
    kept[-1].write(b"x" * 10_000_000)
""",
    "shared memory segments": """
import ctypes
libc = ctypes.CDLL(None)
if libc.shmget(0, 1 << 20, 0o1600) >= 0 or libc.memfd_create(b"x", 0) >= 0:
    print("escaped")
""",
    "10 GB of print": "for _ in range(10_000):\n    print('x' * 1_000_000)",
    "10 GB to standard error": "import sys\nfor _ in range(10_000):\n    sys.stderr.write('x' * 1_000_000)",
    "10 GB past sys.stdout": """
import os, sys
sys.stdout = sys.stderr = None
while True:
    os.write(1, b"x" * 1_000_000)
""",
    "output that isn't UTF-8": "import os\nos.write(1, bytes(range(256)))",
    "reads the home folder": """
import glob, os
found = [path for home in ("/home/*", "/root", os.path.expanduser("~")) for path in glob.glob(home + "/.*")]
for path in found:
    try:
        if os.listdir(path) and not "/lib".startswith(path) and any(name in path for name in (".ssh", ".config")):
            print("escaped")
    except OSError:
        pass
""",
    "reads files outside": """
for path in ("/etc/passwd", "/etc/hostname", "/proc/self/environ", "/proc/1/cmdline", "OUTSIDE/secret"):
    try:
        print("escaped", open(path).read())
    except OSError:
        pass
""",
    "follows symbolic links out": """
import os
for make in (os.symlink, os.link):
    try:
        make("OUTSIDE/secret", "link")
        print("escaped", open("link").read())
    except OSError:
        pass
try:
    os.chdir("../../../..")
    print("escaped", open("." + "OUTSIDE/secret").read())
except OSError:
    pass
""",
    "reads its parent's environment and memory": """
import os
for number in {PARENT, os.getppid(), 1}:
    for name in ("environ", "mem", "maps", "cmdline", "root/etc/passwd", "cwd"):
        try:
            print("escaped", os.open(f"/proc/{number}/{name}", os.O_RDONLY))
        except OSError:
            pass
""",
    "environment": "import os\nif set(os.environ) - {'LC_CTYPE'}:\n    print('escaped', os.environ)",
    "inherited descriptors": """
import os, stat
for number in range(3, 4096):
    try:
        kind = os.fstat(number).st_mode
    except OSError:
        continue
    try:
        os.read(number, 1)
        print("escaped", number)
    except OSError:
        pass
    if not stat.S_ISFIFO(kind):
        print("escaped", number, oct(kind))
""",
    "writes outside": """
import os, tempfile
for path in ("OUTSIDE", "/tmp", "/var/tmp", "/dev/shm", "/run", "/", "..", "/usr/lib", os.path.dirname(os.__file__)):
    try:
        open(f"{path}/hostile-file", "w").write("x")
        print("escaped", path)
    except OSError:
        pass
for change in (os.remove, os.rmdir, lambda path: os.truncate(path, 0), lambda path: open(path, "a")):
    try:
        change("OUTSIDE/secret")
        print("escaped", change)
    except OSError:
        pass
""",
    "changes attributes outside": """
import os
for path in ("OUTSIDE/secret", "OUTSIDE", "/", os.__file__):
    for change in (lambda: os.chmod(path, 0o777), lambda: os.utime(path, (0, 0)), lambda: os.chown(path, 1, 1),
                   lambda: os.setxattr(path, "user.x", b"x"), lambda: os.rename(path, path + "x")):
        try:
            change()
            print("escaped", path)
        except OSError:
            pass
""",
    "huge file": "with open('file', 'wb') as file:\n    while True:\n        file.write(bytes(1_000_000))",
    "a million small files": "for number in range(10**6):\n    open(str(number), 'w').write('x')",
    "opens sockets": """
import socket
for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK, socket.AF_PACKET):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            socket.socket(family, kind)
            print("escaped", family, kind)
        except OSError:
            pass
try:
    socket.create_connection(("127.0.0.1", 22), 1)
    print("escaped")
except OSError:
    pass
""",
    "abstract unix socket": """
import socket
try:
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.sendto(b"x", "\\0/escape")
    print("escaped")
except OSError:
    pass
""",
    "kills its parent": """
import os, signal
for number in {PARENT, os.getppid(), 1} - {os.getpid()}:
    for name in (signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP):
        for send in (os.kill, os.killpg):
            try:
                send(number, name)
            except OSError:
                pass
""",
    "signals by file": """
import fcntl, os, signal
read, write = os.pipe()
try:
    fcntl.fcntl(read, fcntl.F_SETOWN, PARENT)
    fcntl.fcntl(read, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(read, fcntl.F_SETFL, os.O_ASYNC)
    os.write(write, b"x")
    print("escaped")
except OSError:
    pass
""",
    "debugs its parent": """
import ctypes, os, resource
libc = ctypes.CDLL(None)
for number in (PARENT, os.getppid(), 1):
    if libc.ptrace(16, number, 0, 0) == 0 or libc.syscall(434, number, 0) >= 0:
        print("escaped")
    try:
        resource.prlimit(number, resource.RLIMIT_NOFILE, (0, 0))
        if os.getpid() != number:
            print("escaped")
    except OSError:
        pass
""",
    "new namespaces": """
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
for flags in (0x10000000, 0x20000, 0x40000000):
    if libc.unshare(flags) == 0:
        print("escaped")
if libc.mount(b"tmpfs", b".", b"tmpfs", 0, None) == 0 or libc.chroot(b".") == 0:
    print("escaped")
if libc.syncfs(0) == 0:  # all wait for the disk
    print("escaped")
""",
    "sys.exit": "import sys\nsys.exit(0)",
    "os._exit": "import os\nos._exit(0)",
    "claims to have finished": """
import os
for number in range(3, 4096):  # a process with many files open hands on high numbers
    try:
        os.write(number, b'{"verdict": "finished"}\\n')
    except OSError:
        pass
os._exit(0)
""",
    "closes all descriptors": "import os\nos.closerange(3, 4096)",
    "raises BaseException": "class Mine(BaseException):\n    pass\nraise Mine('out of here')",
    "exception without text": """
class Mine(BaseException):
    def __str__(self):
        raise self
    __repr__ = __str__
raise Mine
""",
    "KeyboardInterrupt": "raise KeyboardInterrupt",
    "crash in C": "import ctypes\nctypes.string_at(0)",
    "kills itself": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    "deep recursion": "def f():\n    f()\nf()",
    "deep recursion in C": "import sys\nsys.setrecursionlimit(10**9)\ndef f(x):\n    return sorted([x], key=f)\nf(1)",
    "syntax error": "def f(:\n    pass",
    "too deep to compile": "x = " + "(" * 5000 + ")" * 5000,
    "NUL in the source": "x = '\0'",
    "lone surrogate in the source": "x = '\udc80'",
    "int of too many digits": "print(10 ** 10_000)",
    "waits for input": "input()",
}

FAKED_TEST = "assert answer(6) == 42"

FAKES = {
    "prints success": "print('passed', '1 passed', 'OK', sep='\\n')",
    "exits with success": "import sys\nsys.exit(0)",
    "leaves at once": "import os\nos._exit(0)",
    "leaves in the call": "import os\ndef answer(x):\n    os._exit(0)",
    "equal to everything": """
class Any(int):
    __eq__ = __ne__ = __lt__ = __le__ = __bool__ = lambda *_: True
    __hash__ = int.__hash__
    __repr__ = __str__ = lambda _: "42"
def answer(x):
    return Any(1)
""",
    "has the right repr": "class Any:\n    __repr__ = lambda _: '42'\ndef answer(x):\n    return Any()",
    "replaces builtins": """
import builtins
builtins.AssertionError = builtins.len = builtins.isinstance = builtins.compile = builtins.eval = lambda *_: True
builtins.exec = builtins.repr = builtins.hex = builtins.type = lambda *_: "42"
def answer(x):
    return 1
""",
    "writes to every descriptor": """
import os
for number in range(64):
    try:
        os.write(number, b'{"test": 0, "outcome": "passed", "passed": true}\\n{"verdict": "finished"}\\n')
    except OSError:
        pass
os._exit(0)
""",
    "answers in place of the harness": """
import json, os
value = json.dumps(["number", "0x1"])
for number in range(3, 4096):  # a process with many files open hands on high numbers
    try:
        os.write(number, (json.dumps({"test": 0, "told": [{"value": value, "shown": "42"}]}) + "\\n").encode())
        os.write(number, b'{"ended": 0}\\n{"test": [], "told": 1}\\n{"test": 0, "told": {}}\\n[]\\n' + b"[" * 90000)
    except OSError:
        pass
""",
    "floods the harness with answers": """
import os
for number in range(3, 4096):  # a process with many files open hands on high numbers
    try:
        while True:
            os.write(number, b"{}\\n" * 100_000)
    except OSError:
        pass
""",
    "looks for the expected value": """
import gc, sys
def answer(x):
    frame, seen = sys._getframe(), []
    while frame:
        seen.append(frame.f_locals)
        frame = frame.f_back
    text = repr(seen) + repr([item for item in gc.get_objects() if isinstance(item, (dict, list, tuple))])
    wanted = " ".join(["answer(6)", "==", str(6 * 7)])  # put together only now, so as not to find itself
    return 6 * 7 if wanted in text or hex(6 * 7) in text else 0
""",
    "replaces the harness": """
import sys
frame = sys._getframe()
while frame:
    for name in ("perform", "answer", "failure"):
        if name in frame.f_globals:
            frame.f_globals[name] = lambda *_: {"value": "true", "shown": "42"}
    frame = frame.f_back
def answer(x):
    return 1
""",
    "huge result": "def answer(x):\n    return list(range(10**6))",
    "endless result": "def answer(x):\n    kept = []\n    kept.append(kept)\n    return kept",
    "True for 1": "def answer(x):\n    return True",
}
