"""`python -m llm_server.engines.llamacpp`: a model's file behind llama.cpp's own server, which speaks as OpenAI's does.

It is a process of its own under `parley up`, so that its crash, or the system's taking it for its memory, costs nobody
else anything; the LLM server asks it as it asks any endpoint. It listens on this machine's own address alone, and
answers nobody without the key: pages in a browser may ask addresses of this machine too.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from parley._binding import find_problem
from parley._processors import processors
from parley._variables import LOOPBACK
from parley.errors import ParleyError, Unavailable, not_installed
from serving.config import ConfigError, read, setting
from serving.lifeline import is_supervised, watch

# Room for some ten minutes of talk; more costs memory that small machines lack.
_CONTEXT_TOKENS: Final = 4096
_SILENT: Final = -1
_ENDS: Final = frozenset({signal.SIGTERM, signal.SIGINT})


@dataclass(frozen=True, slots=True)
class LlamaCppConfig:
    """What the server of a model's file reads from its environment."""

    model: str = setting("PARLEY_LLAMACPP_MODEL", "", help="GGUF file to serve.")
    port: int = setting("PARLEY_LLAMACPP_PORT", 0, help="Port to listen on.", minimum=0, maximum=65535)
    api_key: str = setting("PARLEY_LLM_API_KEY", "", help="Who does not name it is refused.")
    alias: str = setting("PARLEY_LLM_MODEL", "", help="What the model is called.")
    threads: int = setting("PARLEY_LLM_THREADS", 0, help="Processor threads; 0: all.", minimum=0)
    context_tokens: int = setting(
        "PARLEY_LLM_CONTEXT_TOKENS", 0, help="Longest conversation with its reply; 0: 4096.", minimum=0
    )


def serve(config: LlamaCppConfig) -> None:
    """Serve until told to stop.

    Raises:
        Unavailable: the package, the file or the port cannot be had.
    """
    try:
        import xllamacpp
    except ModuleNotFoundError as error:
        raise not_installed("xllamacpp", "llamacpp") from error
    if not Path(config.model).is_file():
        raise Unavailable(f"PARLEY_LLAMACPP_MODEL={config.model}: there is no such file")
    if config.port and find_problem(LOOPBACK, config.port):
        raise Unavailable(f"port {config.port} was free a moment ago, and is taken now: start Parley again")
    params = xllamacpp.CommonParams()
    params.model.path = config.model
    params.hostnames = [LOOPBACK]
    params.port = config.port
    params.api_keys = [config.api_key] if config.api_key else []
    params.model_alias = {config.alias} if config.alias else set()
    params.n_ctx = config.context_tokens or _CONTEXT_TOKENS
    params.n_parallel = 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = config.threads or processors()
    params.ui = params.endpoint_slots = False
    params.verbosity = _SILENT
    try:
        server = xllamacpp.Server(params)
    except (RuntimeError, ValueError) as error:
        raise Unavailable(
            f"llama.cpp cannot load {config.model}: it is no whole GGUF file that it knows, or memory is short"
        ) from error
    signal.sigwait(_ENDS)
    # Its threads end with it, and not in the middle of the interpreter's end.
    del server


def main() -> None:
    """The whole of the process; exit status 2 for what the user must mend."""
    # Signals come to whoever waits for them, and to none of the threads that are begun from here on.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
    if is_supervised(os.environ):
        watch()
    try:
        serve(read(LlamaCppConfig, os.environ))
    except (ConfigError, ParleyError) as error:
        sys.stderr.write(f"llamacpp: {error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
