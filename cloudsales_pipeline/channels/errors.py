"""What a channel can do to us, as errors that name the channel, the page and the next step.

ChannelError                      anything below
├── ChannelUnreachableError       no connection, or no answer before the deadline
├── AddressRefusedError           an address to fetch that points inside, or is none (`reason`)
├── ChannelResponseError          an answer that is not what was asked for
│   ├── BodyCutError              the body ended before it should
│   ├── BodyTooLargeError         the body passed the byte cap (decompressed)
│   ├── NotJsonError              an HTML page with 200, or JSON that does not parse
│   ├── WrongShapeError           JSON, but not the contract's envelope
│   ├── CursorRepeatsError        the next cursor was seen before: the paging would never end
│   ├── RedirectRefusedError      a redirect to another host
│   └── ServerFailedError         5xx after all the retries
├── RateLimitedError              429 for longer than we may wait; `retry_at` says until when
├── ChannelRefusedError           4xx: the request itself is refused (`status`)
│   └── AuthenticationError       401 or 403: the token is wrong or expired
├── FolderError                   a folder of files, or a file in it, can't be used
│   └── FileMissingError          it is not there
├── OutcomeUnknownError           a write that may or may not have been done: look it up before any retry
└── PayloadError                  one item of a page that can't be read: a reason code, never the page's end

Messages carry no URL with a query, no header and no body: those hold tokens and personal data.
"""

from __future__ import annotations

from datetime import datetime
from typing import Self

from cloudsales_pipeline.errors import CloudSalesError


class ChannelError(CloudSalesError):
    """A channel did not do what was asked.

    Args:
        message: what happened, without the channel's name (it is put before).
        channel: the channel's name in the settings.
        operation: what was asked, for example `listProducts`.
        page: the page (from 1) where paging stood, if it was paging.
        next_step: what the user can do now.
    """

    def __init__(self, message: str, *, channel: str, operation: str = "", page: int | None = None, next_step: str = "") -> None:
        super().__init__(_placed(message, channel, operation, page), next_step=next_step)
        self.what = message
        self.channel = channel
        self.operation = operation
        self.page = page

    def at_page(self, page: int) -> Self:
        """The same error, told to have happened at `page` (from 1): only who walks the pages knows the number."""
        self.page = page
        self.message = _placed(self.what, self.channel, self.operation, page)
        self.args = (self.message,)
        return self


def _placed(message: str, channel: str, operation: str, page: int | None) -> str:
    where = f"{channel} ({operation}, page {page})" if page else f"{channel} ({operation})" if operation else channel
    return f"{where}: {message}"


class ChannelUnreachableError(ChannelError):
    """No connection, or no answer before the deadline."""


class AddressRefusedError(ChannelError):
    """An address to fetch that points inside, or is none."""

    def __init__(self, reason: str, *, channel: str, operation: str = "fetch") -> None:
        super().__init__(f"the address is not fetched: {reason}", channel=channel, operation=operation)
        self.reason = reason


class ChannelResponseError(ChannelError):
    """An answer that is not what was asked for."""


class BodyCutError(ChannelResponseError):
    """The body ended before it should."""


class BodyTooLargeError(ChannelResponseError):
    """The body passed the byte cap (decompressed)."""


class NotJsonError(ChannelResponseError):
    """An HTML page with 200, or JSON that does not parse."""


class WrongShapeError(ChannelResponseError):
    """JSON, but not the contract's envelope."""


class CursorRepeatsError(ChannelResponseError):
    """The next cursor was seen before: the paging would never end."""


class RedirectRefusedError(ChannelResponseError):
    """A redirect to another host."""


class ServerFailedError(ChannelResponseError):
    """5xx after all the retries."""


class RateLimitedError(ChannelError):
    """429 for longer than we may wait."""

    def __init__(self, message: str, *, retry_at: datetime, channel: str, operation: str = "", page: int | None = None) -> None:
        super().__init__(
            message, channel=channel, operation=operation, page=page, next_step=f"wait until {retry_at:%H:%M:%S} UTC"
        )
        self.retry_at = retry_at


class ChannelRefusedError(ChannelError):
    """4xx: the request itself is refused."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        channel: str,
        operation: str = "",
        page: int | None = None,
        next_step: str = "",
    ) -> None:
        super().__init__(message, channel=channel, operation=operation, page=page, next_step=next_step)
        self.status = status


class AuthenticationError(ChannelRefusedError):
    """401 or 403: the token is wrong or expired."""


class FolderError(ChannelError):
    """A folder of files, or a file in it, can't be used."""


class FileMissingError(FolderError):
    """The folder or the file is not there."""


class OutcomeUnknownError(ChannelError):
    """A write that may or may not have been done."""


class PayloadError(Exception):
    """One item that can't be read.

    Args:
        reason: a code such as `no_variants`, `bad_price`, `unreadable`.
        detail: where and what, without the value itself where that may be personal.
        reference: the item's id on the channel, as far as it could be read.
    """

    def __init__(self, reason: str, detail: str, reference: str = "") -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.reference = reference
