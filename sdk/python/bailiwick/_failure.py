"""How a run fails, in the agent's own words, and how the host says no."""


class Failure(Exception):
    """Raised by the agent to end its run: a short stable word for programs, one paragraph for people."""

    BAD_INPUT = "bad-input"
    BAD_OUTPUT = "bad-output"
    #: The code of a run that an exception ended which nobody caught.
    RAISED = "raised"

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(code, message)
        self.code, self.message = code, message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class Refused(Exception):
    """The host said no. `code` is `not-granted`, `malformed` or `over-limit`, and for HTTP always `http-refused`.

    `hint` is one sentence for the author where the interface is Bailiwick's own, and otherwise `None`. Neither tells whether the thing
    asked for exists; the operator's record has the reason.
    """

    def __init__(self, code: str, hint: str | None = None) -> None:
        super().__init__(code, hint)
        self.code, self.hint = code, hint

    def __str__(self) -> str:
        return f"refused as `{self.code}`" + (f": {self.hint}" if self.hint else "")
