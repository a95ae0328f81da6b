"""Pools of real servers, over gRPC: one channel to each address."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from edge_gateway.servers.contact import GrpcContact
from edge_gateway.servers.hops import AsrServers, LlmServers, TtsServers
from edge_gateway.servers.origins import origins_of
from edge_gateway.servers.pool import PoolConfig, open_pool
from edge_gateway.servers.resolver import resolve
from parley._channel import MAX_CHAT_MESSAGE_BYTES, MAX_MESSAGE_BYTES, open_single
from parley._multiplexer import Multiplexer
from parley.asr import SERVICE as ASR
from parley.asr import AsrClient
from parley.llm import SERVICE as LLM
from parley.llm import LlmClient
from parley.tts import SERVICE as TTS
from parley.tts import TtsClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    import grpc.aio

    from edge_gateway.capacity.path import PartLoad
    from edge_gateway.servers.origins import Origin
    from edge_gateway.servers.pool import Pool
    from edge_gateway.servers.resolver import Resolve
    from parley._tls import Tls

C = TypeVar("C")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the servers are: of each service a list with commas between, names or addresses with their port."""

    asr: str
    """ASR servers."""
    llm: str
    """LLM servers."""
    tts: str
    """TTS servers."""


@dataclass(frozen=True, slots=True)
class Pools:
    """The servers behind one gateway, and the client of each service that shares its calls among them."""

    asr: Pool[AsrClient]
    """ASR servers."""
    llm: Pool[LlmClient]
    """LLM servers."""
    tts: Pool[TtsClient]
    """TTS servers."""
    listens: AsrServers
    """Asks ASR servers."""
    writes: LlmServers
    """Asks LLM servers."""
    speaks: TtsServers
    """Asks TTS servers."""

    @property
    def all(self) -> tuple[Pool[AsrClient], Pool[LlmClient], Pool[TtsClient]]:
        """In the order in which a turn comes to them."""
        return self.asr, self.llm, self.tts

    @property
    def work(self) -> list[PartLoad]:
        """How much each has to do, of those that take calls."""
        return [work for pool in self.all if (work := pool.work) is not None]


@asynccontextmanager
async def open_pools(
    addresses: Addresses, *, tls: Tls | None = None, resolve: Resolve = resolve, chance: random.Random | None = None
) -> AsyncIterator[Pools]:
    """Pools as a block; their channels close with it. `resolve` asks DNS, and `chance` chooses.

    Raises:
        InvalidInput: an address or the certificates cannot be used.
    """
    chance = chance or random.Random()  # noqa: S311 - names servers, and is no secret

    def pool(
        service: _Service[C], text: str, max_message_bytes: int = MAX_MESSAGE_BYTES
    ) -> AbstractAsyncContextManager[Pool[C]]:
        def connect(address: str, origin: Origin) -> GrpcContact[C]:
            channel = open_single(origin.scheme + address, max_message_bytes, tls=tls, name=origin.name)
            multiplexer = Multiplexer(channel, service.hop, max_message_bytes)
            client = service.client(channel, multiplexer)
            return GrpcContact(channel, client, multiplexer, service.hop, service.name)

        origins = origins_of(text, f"PARLEY_{service.hop.upper()}_ADDRESS")
        return open_pool(PoolConfig(service.hop, origins, connect, resolve, chance))

    async with (
        pool(
            _Service("asr", ASR, lambda channel, calls: AsrClient(channel, multiplexer=calls)), addresses.asr
        ) as listening,
        pool(
            _Service("llm", LLM, lambda channel, calls: LlmClient(channel, multiplexer=calls)),
            addresses.llm,
            MAX_CHAT_MESSAGE_BYTES,
        ) as writing,
        pool(
            _Service("tts", TTS, lambda channel, calls: TtsClient(channel, multiplexer=calls)), addresses.tts
        ) as speaking,
    ):
        yield Pools(listening, writing, speaking, AsrServers(listening), LlmServers(writing), TtsServers(speaking))


@dataclass(frozen=True, slots=True)
class _Service(Generic[C]):
    hop: str
    name: str
    client: Callable[[grpc.aio.Channel, Multiplexer], C]
