"""The handler for the standard `logging`: one line for each log record on standard error, which the host records as said by the agent."""

import logging
import sys
import traceback

#: BOUND: a longer line is cut, so that one log record can't use up the run's log bytes.
LINE_LENGTH_MAX = 4096


def one_line(text: str) -> str:
    """The text with its control characters escaped and its length bounded: one log record must not look like two."""
    cut = text[: LINE_LENGTH_MAX + 1]
    line = "".join(letter if letter.isprintable() else f"\\u{{{ord(letter):x}}}" for letter in cut)
    return line if len(line) <= LINE_LENGTH_MAX else line[:LINE_LENGTH_MAX] + "…"


class OneLine(logging.Handler):
    """Writes `LEVEL NAME: MESSAGE`, followed by the exception, if there is one, with its innermost line of code."""

    def format(self, record: logging.LogRecord) -> str:
        text = f"{record.levelname} {record.name}: {record.getMessage()}"
        if record.exc_info and record.exc_info[1] is not None:
            err = record.exc_info[1]
            frames = traceback.extract_tb(err.__traceback__)
            where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
            text += f" ({type(err).__name__}: {err}{where})"
        return one_line(text)

    def emit(self, record: logging.LogRecord) -> None:
        # Look up `sys.stderr` each time: it differs between the build of the component and its run.
        try:
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except Exception:
            # A wrong argument to a logger must not end a run; the standard handlers do the same.
            self.handleError(record)


def install() -> None:
    """Installs the handler, at `INFO`, unless the agent has its own."""
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(OneLine())
        if root.level == logging.WARNING:
            root.setLevel(logging.INFO)
