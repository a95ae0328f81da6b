"""`parley chat`: asks the LLM server alone, over gRPC."""

from __future__ import annotations

import os
import sys

from parley import llm
from parley._tls import tls_of
from parley_cli.arguments import words


async def chat(server: str, text: str) -> int:
    """Print the LLM server's reply to `text`, as it comes; 1 when it has no words.

    Raises:
        ParleyError: there is nothing in `text`, or the server refuses or fails.
    """
    config = llm.Config(messages=(llm.Message(llm.Role.USER, words(text)),), session_id="chat")
    said = ""
    async with llm.LlmClient(server, tls=tls_of(os.environ)) as client, client.chat(config) as events:
        async for event in events:
            if isinstance(event, llm.Delta):
                said += event.text
                print(event.text, end="", flush=True)
    if not said:
        print("The model answered without a word.", file=sys.stderr)
        return 1
    print()
    return 0
