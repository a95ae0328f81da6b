"""What gRPC says of a connection that did not come to its first call over TLS, as a sentence with a remedy.

The words are those of grpcio 1.85 and of BoringSSL in it. Knows nothing of calls.
"""

from __future__ import annotations

from typing import Final

_OTHER_NAME: Final = (
    "its certificate is for another name: ask for it by a name that stands in the certificate, or have one made for "
    "this name"
)
_PLAINTEXT: Final = (
    "it speaks plaintext, and TLS was asked for: set PARLEY_TLS_CERT, PARLEY_TLS_KEY and PARLEY_TLS_CA for it too, or "
    "leave TLS out on this side"
)
_COMPARE: Final = "compare PARLEY_TLS_CERT, PARLEY_TLS_KEY and PARLEY_TLS_CA on both sides"
_SENTENCES: Final = (
    ("Hostname Verification Check failed", _OTHER_NAME),
    ("certificate has expired", "its certificate has expired: renew it, or set this machine's clock right"),
    ("certificate is not yet valid", "its certificate is not valid yet: set this machine's clock right, or that one's"),
    (
        "CERTIFICATE_VERIFY_FAILED",
        "its certificate is of an authority that is not believed here: name that authority in PARLEY_TLS_CA",
    ),
    ("WRONG_VERSION_NUMBER", _PLAINTEXT),
)
# A server that refuses a certificate, or plaintext, says why to its own log alone.
_CONNECTING: Final = ("failed to connect to all addresses", "connections to all backends failing")
_CLOSED: Final = ("Socket closed", "Connection reset by peer", "recvmsg")
_REFUSED: Final = (
    "it closed the connection before the first call, as a server does that takes TLS alone, or refuses the certificate "
    f"of this side: {_COMPARE}; its log says why"
)


def explain_handshake(details: str) -> str:
    """What is wrong, and what to do, by the details of a gRPC status; empty: something else than TLS."""
    for words, sentence in _SENTENCES:
        if words in details:
            return sentence
    if any(words in details for words in _CONNECTING) and any(words in details for words in _CLOSED):
        return _REFUSED
    return ""
