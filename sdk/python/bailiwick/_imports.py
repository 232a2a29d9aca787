"""What can't work in the sandbox says so when it is imported or used, and names what does.

SECURITY: none of this holds anybody back. The sandbox has no sockets, processes, threads or native code to reach; this only says so in time.
"""

import errno
import importlib
import importlib.abc
import importlib.machinery
import pathlib
import sys

_HTTP = "use `bailiwick.http`: it has the shape of `requests` and goes where the operator granted"
_NATIVE = "it is native code, and a component has none"
_DATABASE = "it needs a socket of its own, and there is none; ask a service over `bailiwick.http`"
_CLOUD = "it holds credentials and opens sockets; ask over `bailiwick.http`, and the host adds the credentials"

#: Packages that can't work, and what to do instead.
REPLACEMENTS: dict[str, str] = {
    **dict.fromkeys(["requests", "urllib3", "httpx", "httpcore", "aiohttp", "httplib2", "pycurl", "treq", "websockets", "websocket"], _HTTP),
    **dict.fromkeys(["anyio", "trio", "gevent", "eventlet", "uvloop", "twisted", "tornado"], "several requests at once go by `bailiwick.http.gather`"),
    **dict.fromkeys(["psycopg2", "psycopg", "asyncpg", "pymysql", "MySQLdb", "pymongo", "redis", "ldap3"], _DATABASE),
    **dict.fromkeys(["boto3", "botocore", "google.cloud", "azure"], _CLOUD),
    **dict.fromkeys(["paramiko", "fabric", "scapy", "dns"], "there are no sockets; HTTP goes by `bailiwick.http`"),
    **dict.fromkeys(["numpy", "scipy", "pandas", "polars", "pyarrow"], f"{_NATIVE}; use `statistics`, `csv` and lists"),
    **dict.fromkeys(["lxml"], f"{_NATIVE}; use `xml.etree.ElementTree`, or `bs4` with `html.parser`"),
    **dict.fromkeys(["cryptography", "nacl", "bcrypt", "OpenSSL"], f"{_NATIVE}; use `hashlib` and `hmac`"),
    **dict.fromkeys(["pydantic_core"], f"{_NATIVE}; use dataclasses, which is what `bailiwick.agent` takes, or `attrs`"),
    **dict.fromkeys(["orjson", "ujson", "rapidjson"], f"{_NATIVE}; use `json`"),
    **dict.fromkeys(["regex", "re2"], f"{_NATIVE}; use `re`"),
    **dict.fromkeys(["PIL", "cv2", "torch", "tensorflow", "sklearn", "matplotlib", "grpc", "rpds"], _NATIVE),
    **dict.fromkeys(["psutil", "docker", "sh", "pexpect"], "there are no other processes in the sandbox"),
    **dict.fromkeys(["keyring"], "credentials belong to the host, and an agent holds none"),
    **dict.fromkeys(["_ssl"], f"TLS is the host's: {_HTTP}"),
    **dict.fromkeys(["_ctypes", "cffi", "_cffi_backend"], _NATIVE),
}

_PROCESSES = "an agent starts no programs; read files of a mount with `open`, and ask services by `bailiwick.http`"
_THREADS = "an agent has one thread; several requests at once go by `bailiwick.http.gather`"
_SOCKETS = f"an agent has no sockets; {_HTTP}"

#: Modules that the standard library or packages import only when they are used: it is too late by then, so they are imported now.
_LATE = (
    "_strptime", "bisect", "calendar", "csv", "datetime", "decimal", "difflib", "encodings.ascii", "encodings.cp1252", "encodings.hex_codec",
    "encodings.idna", "encodings.iso8859_15", "encodings.latin_1", "encodings.punycode", "encodings.raw_unicode_escape",
    "encodings.unicode_escape", "encodings.utf_16", "encodings.utf_16_be", "encodings.utf_16_le", "encodings.utf_8_sig", "fnmatch",
    "fractions", "glob", "hashlib", "heapq", "html.entities", "html.parser", "ipaddress", "linecache", "locale", "pprint", "secrets", "shutil",
    "statistics", "stringprep", "tempfile", "textwrap", "traceback", "unicodedata", "urllib.parse", "uuid", "zlib", "zoneinfo",
)  # fmt: skip

#: Modules and classes of the standard library that an agent has no use for, by where they are. Others import them to have asked.
_OF_NO_USE = {
    "subprocess": _PROCESSES,
    "multiprocessing": _PROCESSES,
    "concurrent.futures.thread.ThreadPoolExecutor": _THREADS,
    "concurrent.futures.process.ProcessPoolExecutor": _PROCESSES,
}

_is_started = False


class NotHere(ModuleNotFoundError):
    """A package that can't work in the sandbox."""


class Before(importlib.abc.MetaPathFinder):
    """Asked first: whether it is a package of the table."""

    def find_spec(self, name, path=None, target=None):
        reason = REPLACEMENTS.get(name)
        if reason is None or is_for_the_sandbox(name, path):
            return None
        raise NotHere(f"`{name}` does not work in an agent: {reason}", name=name)


class After(importlib.abc.MetaPathFinder):
    """Asked last, when nobody has it: whether it came too late."""

    def find_spec(self, name, path=None, target=None):
        if _is_started:
            why = f"no module named `{name}` is in the component; what is imported must be when it is built, so import it at the top of a module"
            raise NotHere(why, name=name)
        return None


def is_for_the_sandbox(name: str, path: object) -> bool:
    """Whether somebody brought native code that was made for it: then it may work."""
    try:
        spec = importlib.machinery.PathFinder.find_spec(name, path)
    except ImportError:
        return False
    folders = list(spec.submodule_search_locations or []) if spec else []
    return any(next(pathlib.Path(folder).rglob("*wasm32-wasi*.so"), None) is not None for folder in folders)


def is_in_sandbox() -> bool:
    return sys.platform == "wasi"


def install() -> None:
    """Puts the table in front of every import, and words in the place of what can't work. Once."""
    if any(isinstance(finder, Before) for finder in sys.meta_path):
        return
    for name in _LATE:
        try:
            importlib.import_module(name)
        except ImportError:
            pass
    say_why()
    sys.meta_path.insert(0, Before())
    sys.meta_path.append(After())


def uninstall() -> None:
    """For tests: takes the finders away."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, (Before, After))]


def started() -> None:
    """The component runs: there are no files of source any more."""
    global _is_started
    _is_started = True


def check(module: object) -> None:
    """Whether the agent's own module has imported what it has no use for."""
    for name, value in vars(module).items():
        where = getattr(value, "__name__", "")
        if isinstance(value, type):
            where = f"{value.__module__}.{value.__qualname__}"
        elif not isinstance(value, type(sys)):
            continue
        if where in _OF_NO_USE:
            raise NotHere(f"`{name}` does not work in an agent: {_OF_NO_USE[where]}", name=name)


def say_why() -> None:
    """The standard library imports these modules itself, so importing them stays allowed; what can't work in them says so when it is used.

    The exceptions are of the kinds that it raises anyway, so that packages which are prepared for one go on being so.
    """
    import os
    import socket
    import subprocess
    import threading

    def fails(kind, *args):
        def refuse(*_, **__):
            raise kind(*args)

        return refuse

    no_processes = fails(OSError, errno.ENOSYS, _PROCESSES)
    subprocess.Popen.__init__ = no_processes
    subprocess.Popen.__del__ = lambda self: None
    os.system = no_processes
    threading.Thread.start = fails(RuntimeError, _THREADS)
    no_sockets = fails(OSError, errno.ENOSYS, _SOCKETS)
    for name in ("create_connection", "create_server", "getaddrinfo", "gethostbyname", "socketpair"):
        setattr(socket, name, no_sockets)
    socket.socket.__init__ = no_sockets
    socket.socket.__del__ = lambda self: None
