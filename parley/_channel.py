"""Channels to the servers, with the settings that make a broken peer noticed and a slow one felt."""

from __future__ import annotations

import json
import re
from typing import Final

import grpc.aio

from parley._masking import masked
from parley.errors import InvalidInput

MAX_MESSAGE_BYTES: Final = 64 * 1024
MAX_CHAT_MESSAGE_BYTES: Final = 256 * 1024

# Measured on grpcio 1.85: without the ping timeout a frozen peer is noticed after 70 s, with it after 13; with the
# bandwidth probe on, a writer feels no backpressure for 131 s of audio.
TRANSPORT_OPTIONS: Final = (
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.max_pings_without_data", 0),
    # A company's proxy, which http_proxy names, knows none of our servers.
    ("grpc.enable_http_proxy", 0),
)

_AUTHORITY: Final = re.compile(r"[^/\s]+:[0-9]+")

# A server that was killed and started again is used again within about a second. Connections are not shared with other
# channels of the process: one to an address whose last owner is gone would hand on its failure to the next owner.
_RECONNECT_OPTIONS: Final = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)


def open_channel(address: str, service: str, max_message_bytes: int = MAX_MESSAGE_BYTES) -> grpc.aio.Channel:
    """A channel to every address behind `address`, in turn, leaving out those that report not SERVING.

    `address` is "host:port", "http://host:port", or a target of gRPC's own such as "dns:///host:port". `service` is the
    full name that is asked of `grpc.health.v1`.

    Raises:
        InvalidInput: the address cannot be used.
    """
    target = _target(address)
    policy = {"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": service}}
    options = (
        *TRANSPORT_OPTIONS,
        *_RECONNECT_OPTIONS,
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.service_config", json.dumps(policy)),
    )
    return grpc.aio.insecure_channel(target, options=options)


def open_plain(address: str) -> grpc.aio.Channel:
    """A channel to `address`, given as for `open_channel`, that asks for nobody's health first.

    Raises:
        InvalidInput: the address cannot be used.
    """
    return grpc.aio.insecure_channel(_target(address), options=(*TRANSPORT_OPTIONS, *_RECONNECT_OPTIONS))


def _target(address: str) -> str:
    scheme, separator, rest = address.partition("://")
    if separator and scheme not in {"http", "https"}:
        return address
    if scheme == "https" and separator:
        shown = masked(address)
        raise InvalidInput(f"{shown}: Parley has no encryption of its own; write host:port", field="address")
    authority = (rest if separator else address).rstrip("/")
    if not _AUTHORITY.fullmatch(authority):
        raise InvalidInput(f"{masked(address)!r} is no address: write host:port", field="address")
    return f"dns:///{authority}"
