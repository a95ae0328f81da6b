"""Which certificates of gateways the command line believes."""

from __future__ import annotations

import os
import ssl

from parley._tls import VARIABLES
from parley.errors import InvalidInput


def trust() -> ssl.SSLContext:
    """What HTTPS is spoken with: the system's authorities are believed, and those in `PARLEY_TLS_CA`.

    Raises:
        InvalidInput: that file cannot be used.
    """
    context = ssl.create_default_context()
    variable = VARIABLES[2]
    path = os.environ.get(variable, "").strip()
    if path:
        try:
            context.load_verify_locations(path)
        except OSError as error:
            # What is wrong with its content is a kind of OSError too.
            raise InvalidInput(
                f"{variable}={path} cannot be used ({error.strerror or error}): name a PEM file of certificates",
                field=variable,
            ) from error
    return context
