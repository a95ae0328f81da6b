"""What is wrong with an endpoint. Pure."""

from __future__ import annotations


class EndpointFailed(Exception):
    """An endpoint cannot be used, or broke off."""

    def __init__(self, message: str, retry_after_seconds: float | None = None, *, is_well: bool = False) -> None:
        """Say what happened, when it wants to be asked again, and whether it is well and only this was too much."""
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
        self.is_well = is_well
