"""What is wrong with an endpoint. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llm_server.engines.endpoints.refusal import Refusal


class EndpointFailed(Exception):
    """An endpoint cannot be used, or broke off."""

    def __init__(  # noqa: PLR0913 - all that is known of a failure
        self,
        message: str,
        retry_after_seconds: float | None = None,
        *,
        is_well: bool = False,
        is_silent: bool = False,
        refusal: Refusal | None = None,
        said: str = "",
        http_status: int = 0,
    ) -> None:
        """Say what happened, and when it wants to be asked again.

        What the endpoint itself has `said` is for its caller alone: it may quote what a user said.

        An endpoint that `is_well` found only this too much; one that `is_silent` was not waited for any longer. With a
        `refusal` it might answer who asks otherwise.
        """
        super().__init__(f"{message}: {said}" if said else message)
        self.plain = message
        """The message without what the endpoint has said."""
        self.http_status = http_status
        """Status of its response, when that was no success; 0: there was none."""
        self.is_silent = is_silent
        self.retry_after_seconds = retry_after_seconds
        self.is_well = is_well
        self.refusal = refusal

    @property
    def reason(self) -> str:
        """Why, in a word for metrics and traces."""
        if self.http_status:
            return f"http_{self.http_status}"
        return "silent" if self.is_silent else "broken"
