"""What is logged of requests that are no HTTP: a line each, and no traceback, for strangers send what they like."""

from __future__ import annotations

import logging
from typing import Final

from aiohttp.http_exceptions import BadHttpMessage

_LONGEST: Final = 200


def http_log() -> logging.Logger:
    """The logger for a runner of the web application."""
    log = logging.getLogger("parley.http")
    log.addFilter(_in_one_line)
    return log


def _in_one_line(record: logging.LogRecord) -> bool:
    """False for what is not to be logged at this level."""
    error = record.exc_info[1] if record.exc_info else None
    if not isinstance(error, BadHttpMessage):
        return True
    what = ascii(" ".join(error.message.split()))[1:-1][:_LONGEST]
    record.msg, record.args = f"{record.getMessage()}, which is no HTTP: {what}", ()
    record.exc_info = record.exc_text = None
    record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
    return logging.getLogger(record.name).isEnabledFor(logging.INFO)
