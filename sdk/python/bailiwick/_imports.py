"""Packages and functions that can't work in the sandbox raise an error when they are imported or used, which names a replacement.

SECURITY: this module protects nothing. The sandbox itself has no sockets, processes, threads or native code; this module only says so early.
"""

import errno
import importlib
import importlib.abc
import importlib.machinery
import pathlib
import sys

_HTTP = "use `bailiwick.http`: it resembles `requests` and reaches what the operator granted"
_NATIVE = "it is native code, and a component has none"
_DATABASE = "it needs a socket, and an agent has none; ask a service over `bailiwick.http`"
_CLOUD = "it holds credentials and opens sockets; ask over `bailiwick.http`, and the host adds the credentials"

#: Packages that can't work, and what to do instead.
REPLACEMENTS: dict[str, str] = {
    **dict.fromkeys(["requests", "urllib3", "httpx", "httpcore", "aiohttp", "httplib2", "pycurl", "treq", "websockets", "websocket"], _HTTP),
    **dict.fromkeys(["anyio", "trio", "gevent", "eventlet", "uvloop", "twisted", "tornado"], "for several requests at once use `bailiwick.http.gather`"),
    **dict.fromkeys(["psycopg2", "psycopg", "asyncpg", "pymysql", "MySQLdb", "pymongo", "redis", "ldap3"], _DATABASE),
    **dict.fromkeys(["boto3", "botocore", "google.cloud", "azure"], _CLOUD),
    **dict.fromkeys(["paramiko", "fabric", "scapy", "dns"], "an agent has no sockets; for HTTP use `bailiwick.http`"),
    **dict.fromkeys(["numpy", "scipy", "pandas", "polars", "pyarrow"], f"{_NATIVE}; use `statistics`, `csv` and lists"),
    **dict.fromkeys(["lxml"], f"{_NATIVE}; use `xml.etree.ElementTree`, or `bs4` with `html.parser`"),
    **dict.fromkeys(["cryptography", "nacl", "bcrypt", "OpenSSL"], f"{_NATIVE}; use `hashlib` and `hmac`"),
    **dict.fromkeys(["pydantic_core"], f"{_NATIVE}; use dataclasses, which `bailiwick.agent` accepts, or `attrs`"),
    **dict.fromkeys(["orjson", "ujson", "rapidjson"], f"{_NATIVE}; use `json`"),
    **dict.fromkeys(["regex", "re2"], f"{_NATIVE}; use `re`"),
    **dict.fromkeys(["PIL", "cv2", "torch", "tensorflow", "sklearn", "matplotlib", "grpc", "rpds"], _NATIVE),
    **dict.fromkeys(["psutil", "docker", "sh", "pexpect"], "there are no other processes in the sandbox"),
    **dict.fromkeys(["keyring"], "credentials belong to the host, and an agent holds none"),
    **dict.fromkeys(["_ssl"], f"the host does TLS: {_HTTP}"),
    **dict.fromkeys(["_ctypes", "cffi", "_cffi_backend"], _NATIVE),
}

_PROCESSES = "an agent starts no programs; read files of a mount with `open`, and ask services over `bailiwick.http`"
_THREADS = "an agent has one thread; for several requests at once use `bailiwick.http.gather`"
_SOCKETS = f"an agent has no sockets; {_HTTP}"

#: Modules that the standard library or packages import only when they use them. By then it is too late, so they are imported now.
_LATE = (
    "_strptime", "bisect", "calendar", "csv", "datetime", "decimal", "difflib", "encodings.ascii", "encodings.cp1252", "encodings.hex_codec",
    "encodings.idna", "encodings.iso8859_15", "encodings.latin_1", "encodings.punycode", "encodings.raw_unicode_escape",
    "encodings.unicode_escape", "encodings.utf_16", "encodings.utf_16_be", "encodings.utf_16_le", "encodings.utf_8_sig", "fnmatch",
    "fractions", "glob", "hashlib", "heapq", "html.entities", "html.parser", "ipaddress", "linecache", "locale", "pprint", "secrets", "shutil",
    "statistics", "stringprep", "tempfile", "textwrap", "traceback", "unicodedata", "urllib.parse", "uuid", "zlib", "zoneinfo",
)  # fmt: skip

#: Modules and classes of the standard library that an agent can't use, by their full names. Packages may import them without using them.
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
    """The first finder: refuses packages of the table."""

    def find_spec(self, name, path=None, target=None):
        reason = REPLACEMENTS.get(name)
        if reason is None or is_for_the_sandbox(name, path):
            return None
        raise NotHere(f"`{name}` does not work in an agent: {reason}", name=name)


class After(importlib.abc.MetaPathFinder):
    """The last finder, for modules that no other finder has: says if the import came too late."""

    def find_spec(self, name, path=None, target=None):
        if _is_started:
            why = f"no module named `{name}` is in the component: modules must be imported when it is built, so import it at the top of a module"
            raise NotHere(why, name=name)
        return None


def is_for_the_sandbox(name: str, path: object) -> bool:
    """Whether the package has native code that was built for the sandbox: then it may work."""
    try:
        spec = importlib.machinery.PathFinder.find_spec(name, path)
    except ImportError:
        return False
    folders = list(spec.submodule_search_locations or []) if spec else []
    return any(next(pathlib.Path(folder).rglob("*wasm32-wasi*.so"), None) is not None for folder in folders)


def is_in_sandbox() -> bool:
    return sys.platform == "wasi"


def install() -> None:
    """Checks every import against the table, and makes functions that can't work say so. Does this once."""
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
    """For tests: removes the finders."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, (Before, After))]


def started() -> None:
    """Notes that the component runs: from now on there are no source files."""
    global _is_started
    _is_started = True


def check(module: object) -> None:
    """Refuses an agent whose own module has imported something that it can't use."""
    for name, value in vars(module).items():
        where = getattr(value, "__name__", "")
        if isinstance(value, type):
            where = f"{value.__module__}.{value.__qualname__}"
        elif not isinstance(value, type(sys)):
            continue
        if where in _OF_NO_USE:
            raise NotHere(f"`{name}` does not work in an agent: {_OF_NO_USE[where]}", name=name)


def say_why() -> None:
    """Makes functions that can't work say so when they are used. Importing their modules stays allowed, since the standard library imports them.

    The exceptions have the types that these functions raise anyway, so that packages which handle them still do.
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
