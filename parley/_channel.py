"""Channels to the servers, with the settings that make a broken peer noticed and a slow one felt."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final, TypeAlias

import grpc.aio

from parley._frames import FRAME_BYTES, LARGE_BATCH_BYTES
from parley._masking import masked
from parley._renewal import RenewedChannel
from parley._tls import Rotating, Tls
from parley.errors import InvalidInput

if TYPE_CHECKING:
    from parley._tls import Pem

Options: TypeAlias = tuple[tuple[str, str | int], ...]

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

_AUTHORITY: Final = re.compile(r"[^/\s@]+:[0-9]+")

# A server that was killed and started again is used again within about a second. Connections are not shared with other
# channels of the process: one to an address whose last owner is gone would hand on its failure to the next owner.
_RECONNECT_OPTIONS: Final = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)

# What that is too: the time after which a connection that is being made is given up. A handshake of TLS takes longer on
# a busy machine, and so does any connection. The first value of an option counts.
_PATIENCE_WITH_HANDSHAKES: Final = ("grpc.min_reconnect_backoff_ms", 5_000)
_PATIENCE_WITH_SINGLE: Final = ("grpc.min_reconnect_backoff_ms", 1_000)


def open_channel(
    address: str,
    service: str,
    max_message_bytes: int = MAX_MESSAGE_BYTES,
    *,
    tls: Tls | None = None,
    name: str = "",
) -> grpc.aio.Channel:
    """A channel to every address behind `address`, in turn, leaving out those that report not SERVING.

    Args:
        address: "host:port", "http://host:port", "https://host:port", or a target of gRPC's own such as
            "dns:///host:port". With "https" it speaks TLS also without `tls`, and believes the system's authorities.
        service: full name that is asked of `grpc.health.v1`.
        max_message_bytes: largest message that is sent or taken.
        tls: certificate, key and authorities; read again when they rotate. None: plaintext, unless the address says
            otherwise.
        name: host name that the server's certificate must have, where `address` is a number that came from that name.

    Raises:
        InvalidInput: the address or the certificates cannot be used.
        Unavailable: cryptography is not installed, which reads them.
    """
    policy = {"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": service}}
    options = (
        *TRANSPORT_OPTIONS,
        *_RECONNECT_OPTIONS,
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.service_config", json.dumps(policy)),
    )
    return _open(address, options, tls, name)


def open_plain(
    address: str, *, tls: Tls | None = None, name: str = "", options: Options = _RECONNECT_OPTIONS
) -> grpc.aio.Channel:
    """A channel to `address` that asks for nobody's health first; all as for `open_channel`.

    Raises:
        InvalidInput: the address or the certificates cannot be used.
        Unavailable: cryptography is not installed, which reads them.
    """
    return _open(address, (*TRANSPORT_OPTIONS, *options), tls, name)


def open_single(address: str, max_message_bytes: int, *, tls: Tls | None = None, name: str = "") -> grpc.aio.Channel:
    """A channel to one address, whose health its owner watches: it is used whatever that is; all as for `open_channel`.

    Raises:
        InvalidInput: the address or the certificates cannot be used.
        Unavailable: cryptography is not installed, which reads them.
    """
    options = (
        _PATIENCE_WITH_SINGLE,
        *_RECONNECT_OPTIONS,
        # Room for the frame of a message that shares a stream with those of other calls.
        ("grpc.max_receive_message_length", max(max_message_bytes, LARGE_BATCH_BYTES) + FRAME_BYTES),
        ("grpc.max_send_message_length", max_message_bytes + FRAME_BYTES),
    )
    return open_plain(address, tls=tls, name=name, options=options)


def _open(address: str, options: Options, tls: Tls | None, name: str) -> grpc.aio.Channel:
    target, is_secure = _target(address, tls)
    if not is_secure:
        return grpc.aio.insecure_channel(target, options=options)
    options = (_PATIENCE_WITH_HANDSHAKES, *options)
    if name:
        options = (*options, ("grpc.ssl_target_name_override", name))

    def make(pem: Pem) -> grpc.aio.Channel:
        credentials = grpc.ssl_channel_credentials(pem.ca, pem.key, pem.cert)
        return grpc.aio.secure_channel(target, credentials, options=options)

    return RenewedChannel(Rotating(tls or Tls()).current, make)


def _target(address: str, tls: Tls | None) -> tuple[str, bool]:
    """What gRPC is to connect to, and whether over TLS."""
    scheme, separator, rest = address.partition("://")
    if separator and scheme not in {"http", "https"}:
        return address, tls is not None
    if separator and scheme == "http" and tls is not None:
        raise InvalidInput(
            f"{masked(address)} asks for plaintext, and {tls.variables[0]} for TLS: write host:port or https://host:port",
            field="address",
        )
    authority = (rest if separator else address).rstrip("/")
    if not _AUTHORITY.fullmatch(authority):
        raise InvalidInput(f"{masked(address)!r} is no address: write host:port", field="address")
    return f"dns:///{authority}", tls is not None or (bool(separator) and scheme == "https")
