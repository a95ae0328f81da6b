"""What is wrong with an endpoint. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llm_server.engines.endpoints.refusal import Refusal


class EndpointFailed(Exception):
    """An endpoint cannot be used, or broke off."""

    def __init__(
        self,
        message: str,
        retry_after_seconds: float | None = None,
        *,
        is_well: bool = False,
        is_silent: bool = False,
        refusal: Refusal | None = None,
    ) -> None:
        """Say what happened, and when it wants to be asked again.

        An endpoint that `is_well` found only this too much; one that `is_silent` was not waited for any longer. With a
        `refusal` it might answer who asks otherwise.
        """
        super().__init__(message)
        self.is_silent = is_silent
        self.retry_after_seconds = retry_after_seconds
        self.is_well = is_well
        self.refusal = refusal
