"""A client over `wasi:http` that resembles `requests`, for the requests that the operator granted.

A redirect is returned as an answer. There are no cookies and no credentials: credentials belong to the host, which adds them and refuses an
agent that sets one itself. Requests are sent one at a time, or several at once with `gather`.
"""

from ._client import Session, delete, gather, get, head, options, patch, post, put, request
from ._errors import (
    ConnectionError,
    HTTPError,
    InvalidRequest,
    JSONDecodeError,
    ProtocolError,
    Refused,
    RequestException,
    Timeout,
    TooLarge,
)
from ._model import Headers, Prepared, Request, Response

__all__ = [
    "ConnectionError",
    "HTTPError",
    "Headers",
    "InvalidRequest",
    "JSONDecodeError",
    "Prepared",
    "ProtocolError",
    "Refused",
    "Request",
    "RequestException",
    "Response",
    "Session",
    "Timeout",
    "TooLarge",
    "delete",
    "gather",
    "get",
    "head",
    "options",
    "patch",
    "post",
    "put",
    "request",
]
