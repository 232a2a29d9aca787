"""Requests and responses, without the code that sends them."""

import json as json_module
import re
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote, urlencode, urlsplit

from ._errors import HTTPError, InvalidRequest, JSONDecodeError, TooLarge

#: BOUND: bytes of a body that is read whole; for a longer one use `stream=True` and `iter_content`.
BODY_BYTES_MAX = 32 << 20
#: BOUND: how many bytes of a stream are requested at once.
CHUNK_BYTES = 64 << 10

_PATH_SAFE = "/%:@!$&'()*+,;=~"
_QUERY_SAFE = "/%?:@!$&'()*+,;=~[]"
_METHOD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NOT_HERE = {
    "auth": "credentials belong to the host: it adds what the operator configured for this destination, and an agent holds none",
    "cert": "credentials belong to the host, including client certificates",
    "cookies": "there are no cookies: credentials belong to the host, and it keeps no state between requests",
    "files": "write the multipart body yourself, and pass it as `data`",
    "hooks": "there are no hooks: look at the response",
    "proxies": "the host chooses the way to a destination",
    "verify": "the host does TLS, and always checks certificates",
}


class Headers(MutableMapping):
    """Header fields by name, without regard to case. The values of several fields with one name are joined by a comma; `all` returns each."""

    def __init__(self, fields: Iterable[tuple[str, str]] | Mapping[str, str] = ()) -> None:
        self._fields: list[tuple[str, str]] = list(fields.items() if isinstance(fields, Mapping) else fields)

    def __getitem__(self, name: str) -> str:
        found = self.all(name)
        if not found:
            raise KeyError(name)
        return ", ".join(found)

    def __setitem__(self, name: str, value: str) -> None:
        if name in self:
            del self[name]
        self._fields.append((name, value))

    def __delitem__(self, name: str) -> None:
        if name not in self:
            raise KeyError(name)
        self._fields = [(known, value) for known, value in self._fields if known.lower() != name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self.all(name))

    def __iter__(self) -> Iterator[str]:
        return iter({name.lower(): name for name, _ in self._fields}.values())

    def __len__(self) -> int:
        return len({name.lower() for name, _ in self._fields})

    def __repr__(self) -> str:
        return f"Headers({dict(self)!r})"

    def all(self, name: str) -> list[str]:
        """Each value of that name."""
        return [value for known, value in self._fields if known.lower() == name.lower()]

    def fields(self) -> list[tuple[str, str]]:
        """Each field as it was set, in order."""
        return list(self._fields)


@dataclass(frozen=True)
class Prepared:
    """A request as it is sent."""

    method: str
    url: str
    scheme: str
    authority: str
    path: str
    headers: Headers
    body: bytes
    #: Seconds until the whole answer must be there; `None` leaves it to the host.
    timeout: float | None


class Request:
    """A request that is still to be sent: `Request("GET", url, params=...)`. The arguments are those of `bailiwick.http.request`."""

    def __init__(
        self,
        method: str,
        url: str,
        *,
        params: Mapping | Iterable | str | None = None,
        data: object = None,
        json: object = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | tuple | None = None,
        allow_redirects: bool = False,
        **others: object,
    ) -> None:
        for name, value in others.items():
            if name not in _NOT_HERE:
                raise TypeError(f"a request takes no `{name}`")
            # A value that asks for the default behaviour is accepted.
            if value is not None and not (name == "verify" and value is True):
                raise InvalidRequest(f"`{name}`: {_NOT_HERE[name]}", name)
        if allow_redirects:
            raise InvalidRequest("`allow_redirects`: a redirect is returned as an answer; to follow it, send a request to its `location`", "redirects")
        self.method, self.url, self.params, self.data, self.json = method, url, params, data, json
        self.headers, self.timeout = headers, timeout

    def prepare(self) -> Prepared:
        """The request as it is sent. Raises `InvalidRequest` if it can't be sent."""
        method = self.method.upper()
        if not _METHOD.fullmatch(method):
            raise InvalidRequest(f"`{self.method}` is not a method")
        scheme, authority, path = target(self.url, self.params)
        body, kind = body_of(self.data, self.json)
        headers = Headers()
        for name, value in (self.headers or {}).items():
            # As in `requests`, `None` removes a default.
            if value is not None:
                headers[name] = value.decode("latin-1") if isinstance(value, bytes) else str(value)
        if kind and "content-type" not in headers:
            headers["content-type"] = kind
        if body and "content-length" not in headers:
            headers["content-length"] = str(len(body))
        return Prepared(method, f"{scheme}://{authority}{path}", scheme, authority, path, headers, body, seconds(self.timeout))


def target(url: str, params: object) -> tuple[str, str, str]:
    """Scheme, authority, and path with query."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as err:
        raise InvalidRequest(f"`{url}` is not a URL: {err}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidRequest(f"`{url}` is not a URL of `http` or `https`")
    if "@" in parts.netloc:
        # The message does not repeat the URL, since it may contain a password.
        raise InvalidRequest("the URL contains a user name: credentials belong to the host", "auth")
    host = parts.hostname
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            raise InvalidRequest(f"`{host}` is not a host name") from None
    host = f"[{host}]" if ":" in host else host
    query = "&".join(part for part in (quote(parts.query, safe=_QUERY_SAFE), query_of(params)) if part)
    path = quote(parts.path or "/", safe=_PATH_SAFE) + (f"?{query}" if query else "")
    return parts.scheme, host if port is None else f"{host}:{port}", path


def query_of(params: object) -> str:
    if not params:
        return ""
    if isinstance(params, (str, bytes)):
        return quote(params, safe=_QUERY_SAFE)
    pairs = params.items() if isinstance(params, Mapping) else params
    return urlencode([(name, value) for name, value in pairs if value is not None], doseq=True)


def body_of(data: object, json: object) -> tuple[bytes, str | None]:
    """The body, and its content type."""
    if json is not None:
        if data is not None:
            raise InvalidRequest("`data` and `json` can't both be set")
        try:
            return json_module.dumps(json, allow_nan=False).encode(), "application/json"
        except (TypeError, ValueError) as err:
            raise InvalidRequest(f"`json`: {err}") from None
    if data is None:
        return b"", None
    if isinstance(data, str):
        return data.encode(), None
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data), None
    if hasattr(data, "read"):
        return body_of(data.read(), None)
    if isinstance(data, (Mapping, list, tuple)):
        pairs = data.items() if isinstance(data, Mapping) else data
        return urlencode(list(pairs), doseq=True).encode(), "application/x-www-form-urlencoded"
    raise InvalidRequest(f"`data`: a `{type(data).__name__}` can't be a body")


def seconds(timeout: object) -> float | None:
    """The timeout in seconds. As in `requests`, one number or two (for the connection and for reading); here the sum is for the whole answer."""
    numbers = timeout if isinstance(timeout, tuple) else (timeout,)
    given = [number for number in numbers if number is not None]
    if any(isinstance(number, bool) or not isinstance(number, (int, float)) or not number > 0 for number in given):
        raise InvalidRequest(f"`timeout`: {timeout!r} is not a time in seconds")
    return float(sum(given)) if given else None


class Response:
    """An answer. Its body is read whole, or with `stream=True` as it comes, with `iter_content`."""

    def __init__(self, status: int, headers: list[tuple[str, str]], pieces: Iterator[bytes], request: Prepared | None = None) -> None:
        self.status_code, self.headers, self.request = status, Headers(headers), request
        self.url = request.url if request else ""
        self._pieces, self._content, self._is_begun = pieces, None, False

    def __repr__(self) -> str:
        return f"<Response [{self.status_code}]>"

    def __bool__(self) -> bool:
        return self.ok

    def __enter__(self) -> "Response":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def ok(self) -> bool:
        return self.status_code < 400

    @property
    def reason(self) -> str:
        """The standard name of the status; the server's own text does not reach an agent."""
        try:
            return HTTPStatus(self.status_code).phrase
        except ValueError:
            return ""

    @property
    def is_redirect(self) -> bool:
        return self.status_code in (301, 302, 303, 307, 308) and "location" in self.headers

    @property
    def encoding(self) -> str | None:
        """The charset of the content type, or `None`."""
        found = re.search(r"charset\s*=\s*[\"']?([^\s;\"']+)", self.headers.get("content-type", ""), re.IGNORECASE)
        return found[1] if found else None

    @property
    def content(self) -> bytes:
        """The whole body. Raises `TooLarge` past 32 MiB."""
        if self._content is None:
            if self._is_begun:
                raise RuntimeError("the body was already read by `iter_content`")
            kept, length = [], 0
            for piece in self.iter_content():
                length += len(piece)
                if length > BODY_BYTES_MAX:
                    self.close()
                    raise TooLarge(f"the body has more than {BODY_BYTES_MAX} bytes; read it with `stream=True` and `iter_content`", "body-bytes-max")
                kept.append(piece)
            self._content = b"".join(kept)
        return self._content

    @property
    def text(self) -> str:
        """The body as text, in UTF-8 unless the content type says otherwise; invalid bytes are replaced."""
        try:
            return self.content.decode(self.encoding or "utf-8", "replace")
        except LookupError:
            return self.content.decode("utf-8", "replace")

    def json(self, **how: object) -> object:
        try:
            return json_module.loads(self.content, **how)
        except (ValueError, RecursionError) as err:
            raise JSONDecodeError(f"the answer is not JSON: {err}", "json", self) from None

    def raise_for_status(self) -> None:
        """Raises `HTTPError` if the status is 400 or more."""
        if not self.ok:
            raise HTTPError(f"the answer's status is {self.status_code}", "status", self)

    def iter_content(self, chunk_size: int | None = CHUNK_BYTES, decode_unicode: bool = False) -> Iterator[bytes]:
        """The body as it comes, in pieces of at most `chunk_size` bytes; once, unless it was read whole before."""
        if decode_unicode:
            raise TypeError("`decode_unicode`: the pieces are bytes; decode them with `codecs.iterdecode`")
        if chunk_size is not None and chunk_size < 1:
            raise ValueError("`chunk_size` is at least 1")
        if self._content is None and self._is_begun:
            raise RuntimeError("the body was already read by `iter_content`")
        self._is_begun = True
        pieces = iter([self._content]) if self._content is not None else self._pieces
        for piece in pieces:
            size = chunk_size or max(len(piece), 1)
            for begin in range(0, len(piece), size):
                yield piece[begin : begin + size]

    def iter_lines(self, chunk_size: int = 512) -> Iterator[bytes]:
        """The body line by line, without line ends."""
        rest = b""
        for piece in self.iter_content(chunk_size):
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                yield line.removesuffix(b"\r")
        if rest:
            yield rest

    def close(self) -> None:
        """Drops the part of the body that has not been read."""
        close = getattr(self._pieces, "close", None)
        if close is not None:
            close()
