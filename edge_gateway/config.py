"""What the gateway reads from its environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from parley._tls import Tls, pair_from
from parley._variables import LOOPBACK, PORTS
from parley.conversation import SERVICE
from serving.config import ConfigError, port_setting, setting
from serving.probes import GrpcProbe, HttpProbe
from serving.tls import TlsSettings

EDGE_VARIABLES: Final = ("PARLEY_GATEWAY_TLS_CERT", "PARLEY_GATEWAY_TLS_KEY")
"""Certificate and key of the gateway's own ports."""
_HTTPS_VARIABLES: Final = ("PARLEY_HTTPS_CERTIFICATE", "PARLEY_HTTPS_KEY", "")

_AUTO: Final = "auto"
# Python does not read numbers of some thousand digits.
_MOST_DIGITS: Final = 9

STATUS_LOOPBACK: Final = "loopback"
"""Value of `PARLEY_STATUS`: who sits at the gateway's own machine may see how it is doing."""
STATUS_OPEN: Final = "open"
"""Whoever may open the gateway's page."""
STATUS_OFF: Final = "off"
"""Nobody; there are no such paths."""


@dataclass(frozen=True, slots=True)
class GatewayConfig(TlsSettings):
    """Settings of the gateway."""

    host: str = setting("PARLEY_GATEWAY_HOST", LOOPBACK, help="Address that the page and its WebSocket are served on.")
    port: int = port_setting("PARLEY_GATEWAY_PORT", help="Port of the page, its WebSocket and /metrics.")
    grpc_port: int = port_setting("PARLEY_GATEWAY_GRPC_PORT", help="Port of ConversationService and health.")
    reuse_port: bool = setting(
        "PARLEY_GATEWAY_REUSE_PORT",
        default=False,
        help="Share these ports with other gateways of this user on this machine, which take sessions in equal shares.",
    )
    metrics_port: int = port_setting(
        "PARLEY_GATEWAY_METRICS_PORT",
        help="Port of this gateway alone, with /metrics and all else that the page's port has; 0 for none.",
    )
    edge_cert: str = setting(
        EDGE_VARIABLES[0],
        "",
        help="PEM file of a certificate, with which these two ports speak TLS: HTTPS, WSS, gRPC; empty: plaintext.",
    )
    edge_key: str = setting(EDGE_VARIABLES[1], "", help="PEM file of that certificate's key.")
    trusted_proxies: str = setting(
        "PARLEY_TRUSTED_PROXIES",
        "",
        help="Addresses and networks of proxies whose X-Forwarded-For is believed, separated by commas.",
    )
    https_certificate: str = setting(
        "PARLEY_HTTPS_CERTIFICATE", "", help="PEM file with which the page is served over HTTPS too; empty: it is not."
    )
    https_key: str = setting("PARLEY_HTTPS_KEY", "", help="PEM file with the certificate's key; empty: the same file.")
    https_host: str = setting("PARLEY_HTTPS_HOST", LOOPBACK, help="Address that the page is served on over HTTPS.")
    https_port: int = port_setting("PARLEY_HTTPS_PORT", help="Port of the page over HTTPS.")
    asr: str = setting(
        "PARLEY_ASR_ADDRESS",
        f"{LOOPBACK}:{PORTS['PARLEY_ASR_PORT']}",
        help="Where ASR servers are, host:port, several separated by commas; a name stands for all its addresses.",
    )
    llm: str = setting(
        "PARLEY_LLM_ADDRESS",
        f"{LOOPBACK}:{PORTS['PARLEY_LLM_PORT']}",
        help="Where LLM servers are, host:port, several separated by commas; a name stands for all its addresses.",
    )
    tts: str = setting(
        "PARLEY_TTS_ADDRESS",
        f"{LOOPBACK}:{PORTS['PARLEY_TTS_PORT']}",
        help="Where TTS servers are, host:port, several separated by commas; a name stands for all its addresses.",
    )
    max_sessions: str = setting(
        "PARLEY_MAX_SESSIONS",
        _AUTO,
        help="Sessions held at once; one more is refused with a clear error; auto: as many as the servers can bear.",
    )
    lead_ms: int = setting(
        "PARLEY_LEAD_MS", 400, help="How far ahead of the listener audio is sent.", minimum=100, maximum=2000
    )
    drain_seconds: float = setting(
        "PARLEY_DRAIN_SECONDS", 5.0, help="How long sessions may go on after the signal to stop.", minimum=0
    )
    hosts: str = setting(
        "PARLEY_ALLOWED_HOSTS",
        "",
        help="Other names and addresses that the gateway may be opened as, separated by commas, ports optional.",
    )
    origins: str = setting(
        "PARLEY_ALLOWED_ORIGINS", "", help="Other origins whose pages may connect, separated by commas; * for any."
    )
    trace_url: str = setting(
        "PARLEY_TRACE_URL", "", help="Where one trace is shown, with {trace_id} in it; the page links there."
    )
    status: str = setting(
        "PARLEY_STATUS",
        STATUS_LOOPBACK,
        help="Who may see /status and /stats: loopback (who sits at the gateway's own machine), open (whoever may open "
        "the page), off.",
        choices=(STATUS_LOOPBACK, STATUS_OPEN, STATUS_OFF),
    )
    grafana_url: str = setting(
        "PARLEY_GRAFANA_URL", "", help="A Grafana with the data source parley-tempo; the page links to its Explore."
    )
    instructions: str = setting(
        "PARLEY_INSTRUCTIONS",
        "You are a friendly voice assistant. Answer in one or two short spoken sentences, without markup.",
        help="Instructions for the model when a session gives none.",
    )
    tool_filler: str = setting(
        "PARLEY_TOOL_FILLER", "One moment.", help="What is said while a function takes long; nothing if empty."
    )

    @property
    def session_limit(self) -> int | None:
        """How many sessions are held at once; None: as many as the event loop can bear.

        Raises:
            ConfigError: it is no number of 1 or more.
        """
        text = self.max_sessions.lower()
        if text == _AUTO:
            return None
        digits = text.lstrip("0")
        if not digits.isascii() or not digits.isdecimal() or len(digits) > _MOST_DIGITS:
            raise ConfigError(
                f"PARLEY_MAX_SESSIONS={self.max_sessions}: write a number from 1 up, or auto for as many as gateway "
                "and servers can bear"
            )
        return int(digits)

    @property
    def known_hosts(self) -> str:
        """As what the gateway may be opened beside its own address: what is named, and where it serves HTTPS."""
        return f"{self.hosts},{self.https_host}" if self.https_certificate else self.hosts

    @property
    def edge_tls(self) -> Tls | None:
        """TLS of the page's port and of that for programs; None: plaintext.

        Raises:
            InvalidInput: there is a certificate without its key, or a key without its certificate.
        """
        return pair_from(self.edge_cert, self.edge_key, EDGE_VARIABLES)

    @property
    def https_tls(self) -> Tls | None:
        """TLS of the page's other port; None: there is none."""
        if not self.https_certificate:
            return None
        return Tls(self.https_certificate, self.https_key or self.https_certificate, variables=_HTTPS_VARIABLES)

    def check(self) -> None:
        """See whether all files of certificates can be used, and the number of sessions.

        Raises:
            ConfigError: the number is none.
            InvalidInput: the files cannot be used.
            Unavailable: the package that reads them is not installed.
        """
        _ = self.session_limit
        for tls in (self.tls, self.edge_tls, self.https_tls):
            if tls is not None:
                tls.load()

    @property
    def probes(self) -> tuple[GrpcProbe | HttpProbe, ...]:
        """Where the process answers for its health."""
        edge = self.edge_tls
        return (
            GrpcProbe(self.host, self.grpc_port, SERVICE, edge),
            HttpProbe(self.host, self.port, "/healthz", is_secure=edge is not None),
        )
