"""Calls of functions, put together from their fragments as endpoints send them: whole, cut, repeated, unnumbered. Pure.

What the API asks for is a place and an id for each call, its name once, and its arguments in pieces. Ollama gives every
call the place 0, Gemini's neither place nor id; others repeat the name with every piece, begin with `{}` where the
arguments are to come, or send them once more as a whole. So where a call begins is told by its name, its id, and by
whether the arguments before it are complete; how its pieces belong together, by which way they are a JSON object.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from llm_server.engine import ToolCall
from llm_server.engines.characters import whole
from llm_server.engines.endpoints.failure import EndpointFailed
from llm_server.engines.json_values import dump, load_object

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST_CALLS: Final = 64
_MOST_CHARACTERS: Final = 65_536
_LONGEST_NAME: Final = 1_024
# Of arguments that are read before their end has come; only endpoints that repeat the name have them read.
_MOST_READ: Final = 262_144
# Longer ids would not come back: what the caller may send has this bound.
_LONGEST_ID: Final = 256


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of a call of a function."""

    place: int | None
    id: str
    name: str
    arguments: str


@dataclass(slots=True)
class _Begun:
    """A call of a function, as far as it has been written."""

    place: int | None
    id: str = ""
    name: str = ""
    pieces: list[str] = field(default_factory=list)

    def add(self, fragment: Fragment) -> None:
        """Take the next piece."""
        self.id = self.id or fragment.id
        if fragment.name.startswith(self.name):
            # The first one, the same once more, or all that has been written so far.
            self.name = fragment.name
        else:
            self.name += fragment.name if fragment.name != self.name else ""
        if fragment.arguments:
            self.pieces.append(fragment.arguments)

    @property
    def begun_pieces(self) -> list[str]:
        """Those that are more than the place of what is to come."""
        return [piece for piece in self.pieces if piece.strip() != "{}"]

    @property
    def may_be_complete(self) -> bool:
        """Its arguments end as an object does."""
        return bool(self.pieces) and self.pieces[-1].rstrip().endswith("}")

    @property
    def arguments(self) -> str:
        """Its arguments: an object, if the pieces are one in any way."""
        together = "".join(self.pieces)
        ways = [together, "".join(self.begun_pieces), *self.pieces[-1:]]
        return next((way for way in ways if load_object(way) is not None), together)


class CallAssembler:
    """Puts calls of functions together."""

    def __init__(self, endpoint: str, offered: frozenset[str] = frozenset()) -> None:
        """No call yet; the functions with these names have been offered."""
        self._endpoint = endpoint
        self._offered = offered
        self._begun: list[_Begun] = []
        self._length = self._read = 0

    def add(self, fragments: Iterable[Fragment]) -> None:
        """Take the next ones.

        Raises:
            EndpointFailed: they are more than any reply has.
        """
        for fragment in fragments:
            self._length += len(fragment.name) + len(fragment.arguments)
            call = self._of(fragment)
            if call is None or self._begins_another(call, fragment):
                call = _Begun(fragment.place)
                self._begun.append(call)
            call.add(fragment)
            is_endless = self._length > _MOST_CHARACTERS or len(call.name) > _LONGEST_NAME
            if is_endless or len(self._begun) > _MOST_CALLS or self._read > _MOST_READ:
                raise EndpointFailed(f"{self._endpoint} wants functions called without end")

    def whole(self) -> list[ToolCall]:
        """The calls.

        Raises:
            EndpointFailed: one has no name.
        """
        found = []
        for number, call in enumerate(self._begun):
            name = whole(call.name).strip()
            if not name:
                raise EndpointFailed(f"{self._endpoint} wants a function called that it does not name")
            named = whole(call.id) if len(call.id) <= _LONGEST_ID else ""
            found.append(ToolCall(named or f"call-{number}", name, whole(_as_object(call.arguments))))
        return found

    def _of(self, fragment: Fragment) -> _Begun | None:
        """The call that a fragment belongs to, unless it begins another one; None: it does."""
        latest = list(reversed(self._begun))
        if fragment.place is not None:
            for call in latest:
                if call.place == fragment.place:
                    return call
        for call in latest:
            if fragment.id and call.id == fragment.id:
                return call
        return latest[0] if latest and (fragment.place is None or not fragment.name) else None

    def _begins_another(self, call: _Begun, fragment: Fragment) -> bool:
        """True where `fragment` belongs to no call that has begun, though `call` has its place or comes before it."""
        if not fragment.name or not call.name:
            return False
        has_own_id = bool(fragment.id and call.id) and fragment.id != call.id
        if fragment.name == call.name:
            return self._is_complete(call) and (has_own_id or _is_another(call, fragment))
        if has_own_id:
            return True
        is_rest = f"{call.name}{fragment.name}" in self._offered
        is_longer = fragment.name.startswith(call.name) and call.name not in self._offered
        return not is_rest and not is_longer and (fragment.name in self._offered or self._is_complete(call))

    def _is_complete(self, call: _Begun) -> bool:
        """Its arguments are an object, as far as they have come."""
        if not call.may_be_complete:
            return False
        written = "".join(call.begun_pieces) or "{}"
        self._read += len(written)
        return load_object(written) is not None


def _is_another(call: _Begun, fragment: Fragment) -> bool:
    """True where a call that is complete is followed by the same function's name and arguments of its own."""
    written, given = "".join(call.begun_pieces), fragment.arguments
    is_new = bool(written) and not fragment.id and given not in {"", "{}", written}
    return is_new and load_object(given) is not None


def _as_object(arguments: str) -> str:
    """Arguments that came as a JSON string of an object, as that object; others as they are."""
    text = arguments.strip()
    if not text.startswith('"'):
        return arguments
    found = load_object(text)
    return arguments if found is None else dump(found)
