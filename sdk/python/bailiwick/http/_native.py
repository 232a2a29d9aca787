"""The native transport: requests get the answers that the test provides, or are refused. See `bailiwick.testing`."""

from collections.abc import Callable, Iterator

from ._errors import Refused, RequestException
from ._model import Prepared, Response

#: The function that answers requests, while a test has set one.
answer: Callable[[Prepared], Response] | None = None


def send(request: Prepared) -> Response:
    if answer is None:
        raise Refused()
    got = answer(request)
    got.request, got.url = request, request.url
    return got


def send_each(requests: list[tuple[int, Prepared]], in_flight: int) -> Iterator[tuple[int, Response | RequestException]]:
    for index, request in requests:
        try:
            got = send(request)
            _ = got.content
            yield index, got
        except RequestException as err:
            yield index, err
