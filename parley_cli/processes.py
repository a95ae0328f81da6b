"""What a Parley consists of: its processes, their services, and where they are by the variables of an environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from parley._binding import host_variable_of, joined, port_of, reachable
from parley._tls import own, pair_from, tls_of
from parley._variables import LOOPBACK, PORTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from parley._tls import Tls


_EDGE: Final = ("PARLEY_GATEWAY_TLS_CERT", "PARLEY_GATEWAY_TLS_KEY")


@dataclass(frozen=True, slots=True)
class Process:
    """One process of Parley."""

    module: str
    """What `python -m` runs."""
    service: str
    """The service that it must report as SERVING."""
    variables: tuple[str, ...]
    """Variables of the ports that it binds, gRPC first."""

    @property
    def port_variables(self) -> tuple[tuple[str, int], ...]:
        """Variables of its ports, gRPC first, with their defaults."""
        return tuple((name, PORTS[name]) for name in self.variables)

    def ports(self, environment: Mapping[str, str]) -> tuple[tuple[str, int], ...]:
        """The ports that it will bind, by variable.

        Raises:
            InvalidInput: a variable holds no port.
        """
        return tuple((name, port_of(environment, name)) for name in self.variables)

    def host(self, environment: Mapping[str, str]) -> str:
        """The address that it will bind."""
        return environment.get(host_variable_of(self.variables[0]), "").strip() or LOOPBACK

    def address(self, environment: Mapping[str, str]) -> str:
        """Where its gRPC service is found from this machine, host:port.

        Raises:
            InvalidInput: the variable holds no port.
        """
        return joined(reachable(self.host(environment)), port_of(environment, self.variables[0]))


ASR: Final = Process("asr_server", "parley.v1.AsrService", ("PARLEY_ASR_PORT", "PARLEY_ASR_METRICS_PORT"))
LLM: Final = Process("llm_server", "parley.v1.LlmService", ("PARLEY_LLM_PORT", "PARLEY_LLM_METRICS_PORT"))
TTS: Final = Process("tts_server", "parley.v1.TtsService", ("PARLEY_TTS_PORT", "PARLEY_TTS_METRICS_PORT"))
GATEWAY: Final = Process(
    "edge_gateway", "parley.v1.ConversationService", ("PARLEY_GATEWAY_GRPC_PORT", "PARLEY_GATEWAY_PORT")
)
PROCESSES: Final = (ASR, LLM, TTS, GATEWAY)
"""All of them, in the order in which they are started."""

LLAMACPP: Final = Process("llm_server.engines.llamacpp", "", ())
"""Serves a model's file to the LLM server, where there is one; it answers over HTTP, and takes a free port."""

ADDRESSES: Final = {"PARLEY_ASR_ADDRESS": ASR, "PARLEY_LLM_ADDRESS": LLM, "PARLEY_TTS_ADDRESS": TTS}
"""The variables in which the gateway is told where the servers are."""


def edge_tls(environment: Mapping[str, str]) -> Tls | None:
    """TLS of the gateway's own ports by the variables of an environment; None: plaintext.

    Raises:
        InvalidInput: there is a certificate without its key, or a key without its certificate.
    """
    cert, key = (environment.get(name, "").strip() for name in _EDGE)
    return pair_from(cert, key, _EDGE)


def tls_at(environment: Mapping[str, str], process: Process) -> tuple[Tls | None, str]:
    """With what a process of this machine is asked for its health, and the name that its certificate has.

    Raises:
        InvalidInput: the variables of TLS are not all set, or a certificate cannot be read.
        Unavailable: the package that reads certificates is not installed.
    """
    tls = edge_tls(environment) if process is GATEWAY else tls_of(environment)
    return (None, "") if tls is None else (own(tls), tls.own_name())


def server_address(environment: Mapping[str, str], process: Process) -> str:
    """Where a server is by the variables of an environment: as the gateway is told, else where it would be started.

    Raises:
        InvalidInput: a variable holds no port.
    """
    told = next((environment.get(variable, "") for variable, each in ADDRESSES.items() if each is process), "")
    # The gateway takes several; whoever asks by hand asks the first.
    return told.partition(",")[0].strip() or process.address(environment)


def page_url(environment: Mapping[str, str]) -> str:
    """Where the gateway's page is by the variables of an environment.

    Raises:
        InvalidInput: the variable holds no port.
    """
    scheme = "https" if environment.get(_EDGE[0], "").strip() else "http"
    return f"{scheme}://{joined(reachable(GATEWAY.host(environment)), port_of(environment, 'PARLEY_GATEWAY_PORT'))}"


def https_url(environment: Mapping[str, str]) -> str:
    """Where the gateway's page is over HTTPS, if it has a certificate, by the variables of an environment.

    Raises:
        InvalidInput: the variable holds no port.
    """
    host = environment.get("PARLEY_HTTPS_HOST", "").strip() or LOOPBACK
    return f"https://{joined(reachable(host), port_of(environment, 'PARLEY_HTTPS_PORT'))}"
