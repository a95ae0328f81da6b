"""Finds libopus and gives its C functions Python types. Knows nothing of packets that come from a network.

A binding of our own and not `opuslib_next.api`, for two reasons:

- that package looks the library up while it is imported, with `ctypes.util.find_library` and no way to say where; the
  copy inside PyAV's wheel, which spares users a distribution package, could be reached only by patching the lookup;
- it binds with `ctypes.CDLL`, which gives the interpreter's lock away around every call. A call takes 15 to 40 us, but
  to get the lock back from one busy Python thread takes up to the switch interval: measured 4.6 ms a packet instead of
  37 us. `ctypes.PyDLL` keeps the lock.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.util
from pathlib import Path

from parley.errors import Unavailable

OPUS_OK = 0
APPLICATION_RESTRICTED_LOWDELAY = 2051
APPLICATION_RESTRICTED_CELT = 2053
"""Makes the same packets, without the memory of the other coder (libopus 1.6 and newer)."""
SET_BITRATE_REQUEST = 4002
SET_COMPLEXITY_REQUEST = 4010
GET_LOOKAHEAD_REQUEST = 4027
RESET_STATE_REQUEST = 4028

MAX_OUTPUT_BYTES = 48_000 * 120 // 1000 * 2
"""The longest that a codec gives at once: PCM of 120 ms at 48 kHz, mono s16le."""

# Where auditwheel (Linux) and delocate (macOS) put the libraries of a wheel, seen from the package's own folder.
_PYAV_PATTERNS = ("../av.libs/libopus-*.so*", ".dylibs/libopus*.dylib")

_state = ctypes.c_void_p
_error_pointer = ctypes.POINTER(ctypes.c_int)


class Libopus:
    """The functions of one loaded libopus; load it once in a process and hand it to the codecs."""

    def __init__(self, path: str) -> None:
        """Load the library at `path`, a file or a name that the dynamic loader knows.

        Raises:
            Unavailable: it cannot be loaded, or is no libopus.
        """
        try:
            library = ctypes.PyDLL(path)
            self._bind(library)
        except (OSError, AttributeError) as error:
            raise Unavailable(
                f"{path} cannot be used as libopus ({error}); set PARLEY_LIBOPUS to the library's file"
            ) from error
        # What a codec has made is taken from here at once: one for all of them, of which each would have 4 KB.
        self.output = ctypes.create_string_buffer(MAX_OUTPUT_BYTES)
        """Where codecs have their output written; so all of one library are for one thread."""
        self.output_address = ctypes.addressof(self.output)
        self.written = memoryview(self.output)
        """What was written there last, from its beginning."""
        self.path = path
        version: bytes = self._version()
        self.version = version.decode()

    def _bind(self, library: ctypes.PyDLL) -> None:
        self._version = library.opus_get_version_string
        self._version.argtypes, self._version.restype = [], ctypes.c_char_p
        self._strerror = library.opus_strerror
        self._strerror.argtypes, self._strerror.restype = [ctypes.c_int], ctypes.c_char_p
        self.decoder_create = library.opus_decoder_create
        self.decoder_create.argtypes = [ctypes.c_int32, ctypes.c_int, _error_pointer]
        self.encoder_create = library.opus_encoder_create
        self.encoder_create.argtypes = [ctypes.c_int32, ctypes.c_int, ctypes.c_int, _error_pointer]
        self.decoder_create.restype = self.encoder_create.restype = _state
        self.decoder_destroy, self.encoder_destroy = library.opus_decoder_destroy, library.opus_encoder_destroy
        self.decoder_destroy.argtypes = self.encoder_destroy.argtypes = [_state]
        self.decoder_destroy.restype = self.encoder_destroy.restype = None
        # The controls take variable arguments. Only the fixed ones may be declared: where the two kinds travel
        # differently (Apple's arm64), ctypes tells them apart by this list.
        self.decoder_control, self.encoder_control = library.opus_decoder_ctl, library.opus_encoder_ctl
        self.decoder_control.argtypes = self.encoder_control.argtypes = [_state, ctypes.c_int]
        pcm, size = ctypes.c_void_p, ctypes.c_int32
        self.decode = library.opus_decode
        self.decode.argtypes = [_state, ctypes.c_char_p, size, pcm, ctypes.c_int, ctypes.c_int]
        self.encode = library.opus_encode
        self.encode.argtypes = [_state, ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p, size]

    def explain(self, code: int) -> str:
        """What libopus says of one of its (negative) error codes."""
        text: bytes = self._strerror(code)
        return text.decode()


def find_libopus(override: str = "") -> str:
    """Path or name of a libopus: `override` (PARLEY_LIBOPUS), else the one in PyAV's wheel, else the system's.

    PyAV is looked at, not imported: that would load all of FFmpeg.

    Raises:
        Unavailable: `override` is no file, or there is no libopus anywhere; the message says what to install.
    """
    if override:
        if not Path(override).is_file():
            raise Unavailable(f"PARLEY_LIBOPUS={override}: there is no such file", field="PARLEY_LIBOPUS")
        return override
    found = _in_pyav() or ctypes.util.find_library("opus")
    if found is None:
        raise Unavailable(
            "there is no libopus: `pip install av`, or install your system's libopus, or set PARLEY_LIBOPUS",
            field="PARLEY_LIBOPUS",
        )
    return found


def _in_pyav() -> str | None:
    """The copy in PyAV's wheel; None where PyAV is not installed or was built against the system's libraries."""
    spec = importlib.util.find_spec("av")
    for folder in (spec and spec.submodule_search_locations) or ():
        for pattern in _PYAV_PATTERNS:
            for path in sorted(Path(folder).glob(pattern)):
                return str(path.resolve())
    return None
