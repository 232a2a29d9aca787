"""The functions that an author calls."""

from collections.abc import Iterable, Mapping

from .. import _wire
from ._errors import RequestException
from ._model import Headers, Request, Response

if _wire.IN_COMPONENT:
    from . import _wasi as _transport
else:
    from . import _native as _transport


def request(method: str, url: str, *, stream: bool = False, **how: object) -> Response:
    """Sends one request. `params`, `data`, `json`, `headers` and `timeout` are as in `requests`; with `stream` the body is read as it comes.

    Raises `InvalidRequest`, `Refused`, `Timeout`, `ConnectionError`, `TooLarge` or another `RequestException`.
    """
    response = _transport.send(Request(method, url, **how).prepare())
    if not stream:
        _ = response.content
    return response


def get(url: str, params: object = None, **how: object) -> Response:
    return request("GET", url, params=params, **how)


def head(url: str, **how: object) -> Response:
    return request("HEAD", url, **how)


def options(url: str, **how: object) -> Response:
    return request("OPTIONS", url, **how)


def post(url: str, data: object = None, json: object = None, **how: object) -> Response:
    return request("POST", url, data=data, json=json, **how)


def put(url: str, data: object = None, **how: object) -> Response:
    return request("PUT", url, data=data, **how)


def patch(url: str, data: object = None, **how: object) -> Response:
    return request("PATCH", url, data=data, **how)


def delete(url: str, **how: object) -> Response:
    return request("DELETE", url, **how)


def gather(requests: Iterable[Request], *, in_flight: int = 8, return_exceptions: bool = False) -> list[Response]:
    """Sends several requests at once and reads each answer to its end; returns the answers in the order of the requests.

    As in `asyncio.gather`, the first exception is raised, but here once all requests are over; with `return_exceptions` an exception stands in
    the place of its answer. If the operator allows fewer in flight, a request that finds no room is sent again when another one is over.
    """
    answers: list = []
    ready = []
    for index, one in enumerate(requests):
        answers.append(None)
        try:
            ready.append((index, one.prepare()))
        except RequestException as err:
            answers[index] = err
    for index, answer in _transport.send_each(ready, max(in_flight, 1)):
        answers[index] = answer
    if not return_exceptions:
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
    return answers


class Session:
    """Groups default headers, and nothing else: there are no connections to keep, no cookies and no credentials."""

    def __init__(self) -> None:
        self.headers = Headers()

    def __setattr__(self, name: str, value: object) -> None:
        if name != "headers":
            # Raises an error with the reason, if there is a special one.
            Request("GET", "", **{name: value})
            raise AttributeError(f"a session has no `{name}`")
        super().__setattr__(name, value if isinstance(value, Headers) else Headers(value))

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """There is nothing to close."""

    def _with_defaults(self, headers: Mapping[str, str] | None) -> Headers:
        together = Headers(self.headers.fields())
        for name, value in (headers or {}).items():
            # As in `requests`, `None` removes a default.
            if value is None:
                together.pop(name, None)
            else:
                together[name] = value
        return together

    def request(self, method: str, url: str, *, headers: Mapping[str, str] | None = None, **how: object) -> Response:
        return request(method, url, headers=self._with_defaults(headers), **how)

    def prepare(self, method: str, url: str, *, headers: Mapping[str, str] | None = None, **how: object) -> Request:
        """A request for `gather`, with this session's headers."""
        return Request(method, url, headers=self._with_defaults(headers), **how)

    def get(self, url: str, params: object = None, **how: object) -> Response:
        return self.request("GET", url, params=params, **how)

    def head(self, url: str, **how: object) -> Response:
        return self.request("HEAD", url, **how)

    def options(self, url: str, **how: object) -> Response:
        return self.request("OPTIONS", url, **how)

    def post(self, url: str, data: object = None, json: object = None, **how: object) -> Response:
        return self.request("POST", url, data=data, json=json, **how)

    def put(self, url: str, data: object = None, **how: object) -> Response:
        return self.request("PUT", url, data=data, **how)

    def patch(self, url: str, data: object = None, **how: object) -> Response:
        return self.request("PATCH", url, data=data, **how)

    def delete(self, url: str, **how: object) -> Response:
        return self.request("DELETE", url, **how)
