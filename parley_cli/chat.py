"""`parley chat`: asks the LLM server alone, over gRPC."""

from __future__ import annotations

from parley import llm


async def chat(server: str, text: str) -> int:
    """Print the LLM server's reply to `text`, as it comes."""
    config = llm.Config(messages=(llm.Message(llm.Role.USER, text),), session_id="chat")
    async with llm.LlmClient(server) as client, client.chat(config) as events:
        async for event in events:
            if isinstance(event, llm.Delta):
                print(event.text, end="", flush=True)
    print()
    return 0
