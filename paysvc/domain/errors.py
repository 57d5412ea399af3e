"""The two ways of being wrong: a bad record is data, a broken promise is an exception."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """`ERROR` keeps the row out; `WARNING` lets it in and is shown to the approver."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class RecordError:
    """One complaint about one row of a file; collected and shown whole, never raised.

    `line` is the row number as a person sees it in the file (the header is row 1, so the
    first record is row 2); 0 speaks of the file as a whole. `message` is one sentence that
    holds no personal data, so that it may be logged. `suggestion` is a value that could be
    accepted as a repair, or None; it may be personal data and goes only into the error file.
    """

    line: int
    field: str
    code: str
    message: str
    severity: Severity = Severity.ERROR
    suggestion: str | None = None


class PaysvcError(Exception):
    """A promise that could not be kept, named by what the caller should do next.

    `code` is stable and public: it appears in problem details, on the command line and in
    the docs. `message` is one sentence without personal data. `next_step` says what to do.
    The exit code of the command line and the HTTP status follow from the class.
    """

    exit_code = 1
    http_status = 500

    def __init__(self, code: str, message: str, *, next_step: str = "", place: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.next_step = next_step
        #: Where it went wrong: file, row, field, byte offset; "" when there is no place.
        self.place = place

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message


class InvalidInput(PaysvcError):
    """What was given cannot be used; correct it and call again."""

    exit_code = 2
    http_status = 422


class FileRefused(PaysvcError):
    """A file as a whole is not believed; nothing of it was taken."""

    exit_code = 3
    http_status = 422


class NotAllowed(PaysvcError):
    """Not signed in, or this officer may not do this."""

    exit_code = 4
    http_status = 403


class Conflict(PaysvcError):
    """It exists already, or it changed since it was looked at."""

    exit_code = 5
    http_status = 409


class NotFound(PaysvcError):
    """There is no such thing."""

    exit_code = 6
    http_status = 404


class Waiting(PaysvcError):
    """Not yet: an approval, a bank or a date has to come first."""

    exit_code = 7
    http_status = 409


class ConnectorUnavailable(PaysvcError):
    """A bank cannot be reached; nothing was lost, try later."""

    exit_code = 8
    http_status = 503


class DoesNotReconcile(PaysvcError):
    """Two roads to one figure do not meet; nothing may be signed."""

    exit_code = 9
    http_status = 409


class SignatureInvalid(PaysvcError):
    """What was published is not what is here."""

    exit_code = 10
    http_status = 422


class BadSetting(PaysvcError):
    """The program refuses to start with this setting."""

    exit_code = 2
    http_status = 500
