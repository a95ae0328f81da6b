"""TLS between the processes, on real sockets: who is let in, what the others are told, and certificates that rotate."""

from __future__ import annotations

import asyncio
import ssl
import weakref
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import grpc.aio
import pytest

from parley import InvalidInput, LlmClient, Tls, Unavailable
from parley._channel import open_channel
from parley._renewal import RenewedChannel
from parley._tls import Rotating
from parley.v1 import llm_pb2, llm_pb2_grpc
from serving.grpc_server import Listen, started
from serving.probes import GrpcProbe, Unhealthy, ask_all
from tests.certificates import Authority, serial_of
from tests.serving.rig import SERVICE, Holding

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable

    from parley._tls import Pem

CLOSED: Final = (
    "the llm server is not available: it closed the connection before the first call, as a server does that takes TLS "
    "alone, or refuses the certificate of this side: compare PARLEY_TLS_CERT, PARLEY_TLS_KEY and PARLEY_TLS_CA on both "
    "sides; its log says why"
)


@asynccontextmanager
async def serving(
    tls: Tls | None, servicer: Holding | None = None, connection_seconds: float = 3600
) -> AsyncIterator[int]:
    """A server that is ready, and its port."""

    def register(server: grpc.aio.Server) -> None:
        llm_pb2_grpc.add_LlmServiceServicer_to_server(servicer or Holding(), server)

    listen = Listen("127.0.0.1", 0, "PORT", 0, 0, 64 * 1024, tls, connection_seconds)
    async with started(SERVICE, register, listen) as (port, ready):
        await ready()
        yield port


async def refusal(port: int, tls: Tls | None, name: str = "", address: str = "127.0.0.1:{}") -> str:
    """What a client is told; empty: it was let in."""
    async with LlmClient(address.format(port), tls=tls, name=name) as client:
        try:
            await client.models()
        except Unavailable as error:
            return str(error)
    return ""


def pem(tls: Tls) -> tuple[bytes, bytes, bytes]:
    """Authorities, key and certificate, whether or not they can be used."""
    return Path(tls.ca).read_bytes(), Path(tls.key).read_bytes(), Path(tls.cert).read_bytes()


def number(tls: Tls) -> int:
    """That of the certificate which is in the file now."""
    return serial_of(Path(tls.cert).read_bytes())


async def shown_at(port: int, tls: Tls) -> int:
    """Number of the certificate that a new connection is shown."""
    context = ssl.create_default_context(cafile=tls.ca)
    context.load_cert_chain(tls.cert, tls.key)
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return serial_of(ssl.DER_cert_to_PEM_cert(shown).encode())


async def test_who_has_a_certificate_of_the_authority_is_let_in_by_number_and_by_name(tmp_path: Path) -> None:
    authority = Authority()
    client = authority.issue(tmp_path / "gateway", "gateway")
    async with serving(authority.issue(tmp_path / "llm")) as port:
        assert await refusal(port, client) == ""
        assert await refusal(port, client, address="localhost:{}") == ""
        assert await refusal(port, client, address="https://localhost:{}") == ""
    async with serving(authority.issue(tmp_path / "llm", "llm.parley.svc")) as port:
        assert await refusal(port, client, "llm.parley.svc") == ""


@pytest.mark.parametrize("who", ["plaintext", "no certificate", "another authority"])
async def test_a_server_lets_no_stranger_in_and_says_what_to_look_at(tmp_path: Path, who: str) -> None:
    authority = Authority()
    ours, theirs = authority.issue(tmp_path / "llm"), Authority("Stranger").issue(tmp_path / "stranger")
    strangers = {
        "plaintext": None,
        "no certificate": Tls(ca=ours.ca),
        "another authority": Tls(theirs.cert, theirs.key, ours.ca),
    }
    async with serving(ours) as port:
        # On a busy machine a plaintext client may give up before the server has closed the connection.
        while (told := await refusal(port, strangers[who])) != CLOSED:
            assert "timed out" in told
        assert await refusal(port, ours) == ""


async def test_an_expired_client_is_refused_by_itself_and_by_the_server(tmp_path: Path) -> None:
    authority = Authority()
    expired = authority.issue(tmp_path / "gateway", days=-1)
    with pytest.raises(InvalidInput, match="has expired"):
        LlmClient("127.0.0.1:1", tls=expired)
    async with (
        serving(authority.issue(tmp_path / "llm")) as port,
        grpc.aio.secure_channel(f"127.0.0.1:{port}", grpc.ssl_channel_credentials(*pem(expired))) as channel,
    ):
        stub: llm_pb2_grpc.LlmServiceAsyncStub = llm_pb2_grpc.LlmServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.ListModels(llm_pb2.ListModelsRequest())
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("plaintext", "it speaks plaintext, and TLS was asked for: set PARLEY_TLS_CERT, PARLEY_TLS_KEY and "),
        ("another authority", "its certificate is of an authority that is not believed here: name that authority in "),
        ("another name", "its certificate is for another name: ask for it by a name that stands in the certificate"),
        ("expired", "its certificate has expired: renew it, or set this machine's clock right"),
    ],
)
async def test_a_client_goes_to_no_other_server_and_says_what_to_do(tmp_path: Path, what: str, said: str) -> None:
    authority, folder = Authority(), tmp_path / "llm"
    ours = authority.issue(tmp_path / "gateway")
    match what:
        case "plaintext":
            opened = serving(None)
        case "another authority":
            opened = serving(Authority("Stranger").issue(folder))
        case "another name":
            opened = serving(authority.issue(folder, "tts.parley.svc"))
        case _:
            opened = careless(authority.issue(folder, days=-1))
    async with opened as port:
        assert (await refusal(port, ours)).startswith(f"the llm server is not available: {said}")


@asynccontextmanager
async def careless(tls: Tls) -> AsyncIterator[int]:
    """A server that does not look at its own certificate."""
    server = grpc.aio.server()
    llm_pb2_grpc.add_LlmServiceServicer_to_server(Holding(), server)
    ca, key, cert = pem(tls)
    port = server.add_secure_port(
        "127.0.0.1:0", grpc.ssl_server_credentials([(key, cert)], ca, require_client_auth=True)
    )
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


async def test_plaintext_is_never_fallen_back_to(tmp_path: Path) -> None:
    tls = Authority().issue(tmp_path)
    with pytest.raises(InvalidInput, match="http://llm:50052 asks for plaintext, and PARLEY_TLS_CERT for TLS"):
        open_channel("http://llm:50052", SERVICE, tls=tls)
    (tmp_path / "tls.key").unlink()
    with pytest.raises(InvalidInput, match="name a PEM file that this process may read"):
        open_channel("llm:50052", SERVICE, tls=tls)
    with pytest.raises(InvalidInput, match="name a PEM file that this process may read"):
        async with serving(tls):
            pass


class Looking(Holding):
    """Remembers the numbers of its callers' certificates."""

    def __init__(self) -> None:
        super().__init__()
        self.callers: list[int] = []

    async def Chat(  # type: ignore[override]  # noqa: N802 - grpc.aio also takes a coroutine that writes
        self,
        request_iterator: AsyncIterable[llm_pb2.ChatRequest],
        context: grpc.aio.ServicerContext[llm_pb2.ChatRequest, llm_pb2.ChatResponse],
    ) -> None:
        [shown] = context.auth_context()["x509_pem_cert"]
        self.callers.append(serial_of(shown))
        await super().Chat(request_iterator, context)


async def test_calls_go_on_while_certificates_rotate_and_new_ones_use_the_new(tmp_path: Path) -> None:
    authority, servicer = Authority(), Looking()
    ours, theirs = authority.issue(tmp_path / "gateway"), authority.issue(tmp_path / "llm")
    async with serving(theirs, servicer) as port:
        channel = open_channel(f"127.0.0.1:{port}", SERVICE, tls=ours)
        stub: llm_pb2_grpc.LlmServiceAsyncStub = llm_pb2_grpc.LlmServiceStub(channel)
        async with channel:
            before = stub.Chat()
            assert isinstance(await before.read(), llm_pb2.ChatResponse)
            first, first_caller = await shown_at(port, ours), number(ours)
            authority.issue(tmp_path / "llm")
            authority.issue(tmp_path / "gateway")
            after = stub.Chat()
            assert isinstance(await after.read(), llm_pb2.ChatResponse)
            assert await shown_at(port, ours) == number(theirs) != first
            assert servicer.callers == [first_caller, number(ours)]
            assert first_caller != number(ours)
            servicer.let_go.set()
            for call in (before, after):
                answer = await call.read()
                assert isinstance(answer, llm_pb2.ChatResponse)
                assert answer.HasField("finished")
                assert await call.read() is grpc.aio.EOF
                assert await call.code() is grpc.StatusCode.OK


async def test_with_a_new_authority_a_call_of_before_goes_on_and_who_has_not_followed_is_refused(
    tmp_path: Path,
) -> None:
    old, new, servicer = Authority("Old"), Authority("New"), Holding()
    ours, left_behind = old.issue(tmp_path / "gateway"), old.issue(tmp_path / "left behind")
    async with serving(old.issue(tmp_path / "llm"), servicer) as port:
        channel = open_channel(f"127.0.0.1:{port}", SERVICE, tls=ours)
        stub: llm_pb2_grpc.LlmServiceAsyncStub = llm_pb2_grpc.LlmServiceStub(channel)
        async with channel:
            before = stub.Chat()
            assert isinstance(await before.read(), llm_pb2.ChatResponse)
            new.issue(tmp_path / "llm")
            assert "is of an authority that is not believed here" in await refusal(port, left_behind)
            half = Tls(left_behind.cert, left_behind.key, str(tmp_path / "llm" / "ca.crt"))
            assert await refusal(port, half) == CLOSED
            new.issue(tmp_path / "gateway")
            assert await stub.ListModels(llm_pb2.ListModelsRequest()) == llm_pb2.ListModelsResponse()
            servicer.let_go.set()
            assert isinstance(await before.read(), llm_pb2.ChatResponse)
            assert await before.code() is grpc.StatusCode.OK


async def test_callers_are_looked_at_again_after_a_while_and_their_calls_go_on(tmp_path: Path) -> None:
    authority, servicer = Authority(), Holding()
    ours = authority.issue(tmp_path / "gateway")
    async with serving(authority.issue(tmp_path / "llm"), servicer, connection_seconds=0.3) as port:
        channel = open_channel(f"127.0.0.1:{port}", SERVICE, tls=ours)
        stub: llm_pb2_grpc.LlmServiceAsyncStub = llm_pb2_grpc.LlmServiceStub(channel)
        async with channel:
            before = stub.Chat()
            assert isinstance(await before.read(), llm_pb2.ChatResponse)
            await channel.wait_for_state_change(grpc.ChannelConnectivity.READY)
            assert await stub.ListModels(llm_pb2.ListModelsRequest()) == llm_pb2.ListModelsResponse()
            servicer.let_go.set()
            assert isinstance(await before.read(), llm_pb2.ChatResponse)
            assert await before.code() is grpc.StatusCode.OK


async def test_a_channel_of_before_goes_with_its_last_call(tmp_path: Path) -> None:
    authority, servicer = Authority(), Holding()
    ours = authority.issue(tmp_path / "gateway")
    async with serving(authority.issue(tmp_path / "llm"), servicer) as port:
        made: list[weakref.ref[grpc.aio.Channel]] = []

        def make(pem: Pem) -> grpc.aio.Channel:
            credentials = grpc.ssl_channel_credentials(pem.ca, pem.key, pem.cert)
            channel = grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials)
            made.append(weakref.ref(channel))
            return channel

        def left() -> list[bool]:
            return [each() is not None for each in made]

        channel = RenewedChannel(Rotating(ours).current, make)
        stub: llm_pb2_grpc.LlmServiceAsyncStub = llm_pb2_grpc.LlmServiceStub(channel)
        async with channel:
            call = stub.Chat()
            assert isinstance(await call.read(), llm_pb2.ChatResponse)
            authority.issue(tmp_path / "gateway")
            await stub.ListModels(llm_pb2.ListModelsRequest())
            assert left() == [True, True]
            servicer.let_go.set()
            assert isinstance(await call.read(), llm_pb2.ChatResponse)
            assert await call.code() is grpc.StatusCode.OK
            del call
            await until(lambda: left() == [False, True])
            # Where there was no call it goes at once.
            authority.issue(tmp_path / "gateway")
            await stub.ListModels(llm_pb2.ListModelsRequest())
            await until(lambda: left() == [False, False, True])


async def until(holds: Callable[[], bool]) -> None:
    """grpc tells of the end of a call in its own time."""
    while not holds():
        await asyncio.sleep(0)


async def test_closing_a_channel_ends_the_calls_of_before_too(tmp_path: Path) -> None:
    authority = Authority()
    ours = authority.issue(tmp_path / "gateway")
    async with serving(authority.issue(tmp_path / "llm")) as port:
        channel = open_channel(f"127.0.0.1:{port}", SERVICE, tls=ours)
        stub: llm_pb2_grpc.LlmServiceAsyncStub = llm_pb2_grpc.LlmServiceStub(channel)
        before = stub.Chat()
        assert isinstance(await before.read(), llm_pb2.ChatResponse)
        authority.issue(tmp_path / "gateway")
        await stub.ListModels(llm_pb2.ListModelsRequest())
        await channel.close()
        assert await before.code() is grpc.StatusCode.CANCELLED


async def seen(probe: GrpcProbe) -> str:
    try:
        await ask_all((probe,), live=False, seconds=30)
    except Unhealthy as error:
        return str(error)
    return ""


async def test_a_health_check_shows_the_processs_own_certificate(tmp_path: Path) -> None:
    authority = Authority()
    # As in a cluster: for the names of the service, and for no address.
    tls = authority.issue(tmp_path / "llm", "llm", "llm.parley.svc")
    async with serving(tls) as port:
        assert await seen(GrpcProbe("127.0.0.1", port, SERVICE, tls)) == ""
        assert "takes TLS alone" in await seen(GrpcProbe("127.0.0.1", port, SERVICE))
        absent = Tls("/nowhere.crt", tls.key, tls.ca)
        assert "PARLEY_TLS_CERT=/nowhere.crt cannot be read" in await seen(GrpcProbe("0.0.0.0", port, SERVICE, absent))


async def test_the_edge_asks_for_no_certificate_and_its_health_check_knows_its_own(tmp_path: Path) -> None:
    full = Authority().issue(tmp_path, "parley.example")
    edge = Tls(full.cert, full.key)
    async with serving(edge) as port:
        assert await refusal(port, Tls(ca=full.ca), "parley.example", "https://127.0.0.1:{}") == ""
        assert await seen(GrpcProbe("127.0.0.1", port, SERVICE, edge)) == ""
