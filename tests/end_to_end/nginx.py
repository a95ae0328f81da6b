"""A real nginx with the example of docs/deploy.md, on a port of its own."""

from __future__ import annotations

import asyncio
import re
import shutil
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.end_to_end.whole import free_ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from parley import Tls

NGINX: Final = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
needs_nginx: Final = pytest.mark.skipif(NGINX is None, reason="nginx is not installed: apt-get install nginx-light")

_DEPLOY: Final = Path(__file__).resolve().parents[2] / "docs" / "deploy.md"
# What nginx would have outside the folder, and nothing that changes how it serves.
_AROUND: Final = """
pid nginx.pid;
error_log stderr notice;
events {{}}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    {site}
}}
"""


def example(port: int, gateway: str, tls: Tls) -> str:
    """The site of the document, with this port, gateway and certificate in the place of its own."""
    found = re.search(r"^```nginx\n(.*?)^```", _DEPLOY.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert found is not None
    site = found[1]
    for said, meant in (
        ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        ("/etc/ssl/parley.crt", tls.cert),
        ("/etc/ssl/parley.key", tls.key),
        ("http://127.0.0.1:8080/;", f"{gateway}/;"),
    ):
        assert site.count(said) == 1
        site = site.replace(said, meant)
    return site


@asynccontextmanager
async def nginx(folder: Path, gateway: str, tls: Tls) -> AsyncIterator[str]:
    """Address of the page of `gateway` behind a proxy whose files are in `folder`."""
    assert NGINX is not None
    [port] = free_ports(1)
    folder.mkdir()
    configuration = folder / "nginx.conf"
    configuration.write_text(_AROUND.format(site=example(port, gateway, tls)), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        *(NGINX, "-p", str(folder), "-c", str(configuration), "-e", "stderr", "-g", "daemon off;"),
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        # It listens before it starts who is to answer.
        said = b""
        while b"start worker process " not in said:
            line = await process.stderr.readline()
            assert line, said
            said += line
        yield f"https://127.0.0.1:{port}/parley"
    finally:
        if process.returncode is None:
            process.terminate()
        assert await process.wait() == 0
