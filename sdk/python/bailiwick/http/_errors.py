"""Reasons why a request has no answer, grouped by what the agent can do about it, and the meaning of the codes of `wasi:http`."""

from .. import _failure


class RequestException(Exception):
    """The base of these exceptions. `code` is the case in `wasi:http`, or a word of this client."""

    #: The code of the run's failure if the exception is not caught.
    failure_code = "http-host"

    def __init__(self, what: str, code: str = "", response: object = None) -> None:
        super().__init__(what)
        self.code, self.response = code, response


class InvalidRequest(RequestException, ValueError):
    """The request can't be sent as it is. Correct it."""

    failure_code = "http-malformed"


class Refused(RequestException, _failure.Refused):
    """The host refused. Asking again does not help. The operator's record has the reason; the agent does not get it."""

    failure_code = "http-refused"

    def __init__(self) -> None:
        super().__init__("the host refused the request", "http-refused")
        self.hint = None

    def __str__(self) -> str:
        return "the host refused the request"


class Timeout(RequestException):
    """There was no answer in time, or only a part of it."""

    failure_code = "http-timeout"


class ConnectionError(RequestException):
    """Nothing answers there, or the connection was closed."""

    failure_code = "http-connection"


class ProtocolError(ConnectionError):
    """The answer is not HTTP, or broke off."""

    failure_code = "http-protocol"


class TooLarge(RequestException):
    """A body or a header section is larger than the host or this client allows."""

    failure_code = "http-too-large"


class HTTPError(RequestException):
    """The status is an error. Only `Response.raise_for_status` raises this."""

    failure_code = "http-status"


class JSONDecodeError(RequestException, ValueError):
    """The body is not JSON."""

    failure_code = "http-json"


#: As many requests are in flight as the operator allows; nothing of this one was sent.
LIMIT_REACHED = "connection-limit-reached"

_REFUSED = {"HttpRequestDenied", "DestinationIpProhibited"}
_CODES = {
    "DnsTimeout": (Timeout, "DNS-timeout"),
    "ConnectionTimeout": (Timeout, "connection-timeout"),
    "ConnectionReadTimeout": (Timeout, "connection-read-timeout"),
    "ConnectionWriteTimeout": (Timeout, "connection-write-timeout"),
    "HttpResponseTimeout": (Timeout, "HTTP-response-timeout"),
    "DnsError": (ConnectionError, "DNS-error"),
    "DestinationNotFound": (ConnectionError, "destination-not-found"),
    "DestinationUnavailable": (ConnectionError, "destination-unavailable"),
    "DestinationIpUnroutable": (ConnectionError, "destination-IP-unroutable"),
    "ConnectionRefused": (ConnectionError, "connection-refused"),
    "ConnectionTerminated": (ConnectionError, "connection-terminated"),
    "ConnectionLimitReached": (ConnectionError, LIMIT_REACHED),
    "TlsProtocolError": (ConnectionError, "TLS-protocol-error"),
    "TlsCertificateError": (ConnectionError, "TLS-certificate-error"),
    "TlsAlertReceived": (ConnectionError, "TLS-alert-received"),
    "HttpRequestLengthRequired": (InvalidRequest, "HTTP-request-length-required"),
    "HttpRequestMethodInvalid": (InvalidRequest, "HTTP-request-method-invalid"),
    "HttpRequestUriInvalid": (InvalidRequest, "HTTP-request-URI-invalid"),
    "HttpRequestUriTooLong": (TooLarge, "HTTP-request-URI-too-long"),
    "HttpRequestBodySize": (TooLarge, "HTTP-request-body-size"),
    "HttpRequestHeaderSectionSize": (TooLarge, "HTTP-request-header-section-size"),
    "HttpRequestHeaderSize": (TooLarge, "HTTP-request-header-size"),
    "HttpRequestTrailerSectionSize": (TooLarge, "HTTP-request-trailer-section-size"),
    "HttpRequestTrailerSize": (TooLarge, "HTTP-request-trailer-size"),
    "HttpResponseHeaderSectionSize": (TooLarge, "HTTP-response-header-section-size"),
    "HttpResponseHeaderSize": (TooLarge, "HTTP-response-header-size"),
    "HttpResponseBodySize": (TooLarge, "HTTP-response-body-size"),
    "HttpResponseTrailerSectionSize": (TooLarge, "HTTP-response-trailer-section-size"),
    "HttpResponseTrailerSize": (TooLarge, "HTTP-response-trailer-size"),
    "HttpResponseIncomplete": (ProtocolError, "HTTP-response-incomplete"),
    "HttpResponseTransferCoding": (ProtocolError, "HTTP-response-transfer-coding"),
    "HttpResponseContentCoding": (ProtocolError, "HTTP-response-content-coding"),
    "HttpUpgradeFailed": (ProtocolError, "HTTP-upgrade-failed"),
    "HttpProtocolError": (ProtocolError, "HTTP-protocol-error"),
    "LoopDetected": (RequestException, "loop-detected"),
    "ConfigurationError": (RequestException, "configuration-error"),
    "InternalError": (RequestException, "internal-error"),
}
_SAYS = {
    Timeout: "no answer in time",
    ConnectionError: "no connection",
    InvalidRequest: "not a request that can be sent",
    TooLarge: "too large",
    ProtocolError: "the answer is broken",
    RequestException: "the host could not carry the request",
}


def of_case(case: object) -> RequestException:
    """The exception for a case of `wasi:http`'s `error-code`."""
    name = type(case).__name__.removeprefix("ErrorCode_")
    if name in _REFUSED:
        return Refused()
    kind, code = _CODES.get(name, (RequestException, name))
    return with_code(kind, code)


def with_code(kind: type, code: str) -> RequestException:
    return kind(f"{_SAYS[kind]} (`{code}`)", code)


def wants_room(err: Exception) -> bool:
    """Whether the same request may find room once another request is over."""
    return isinstance(err, ConnectionError) and err.code == LIMIT_REACHED
