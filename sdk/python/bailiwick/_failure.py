"""The agent's own failure, and a refusal by the host."""


class Failure(Exception):
    """The agent raises this to end its run: `code` is a short stable word for programs, `message` one paragraph for people."""

    BAD_INPUT = "bad-input"
    BAD_OUTPUT = "bad-output"
    #: The code of a run that an exception ended because it was not caught.
    RAISED = "raised"

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(code, message)
        self.code, self.message = code, message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class Refused(Exception):
    """The host refused. `code` is `not-granted`, `malformed` or `over-limit`, and for HTTP always `http-refused`.

    `hint` is one sentence for the author if the interface is Bailiwick's own, and otherwise `None`. Neither of the two says whether
    the resource exists; the operator's record has the reason.
    """

    def __init__(self, code: str, hint: str | None = None) -> None:
        super().__init__(code, hint)
        self.code, self.hint = code, hint

    def __str__(self) -> str:
        return f"refused as `{self.code}`" + (f": {self.hint}" if self.hint else "")
