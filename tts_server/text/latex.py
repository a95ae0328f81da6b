r"""Formulas that are written in LaTeX, as plain signs and words: `\frac{1}{2}` becomes 1/2."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tts_server.text.mapped import Kept, Said

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tts_server.text.mapped import Mapped, Part

_FORMULA: Final = re.compile(
    r"\\\((?P<round>[^\n]{1,300}?)\\\)|\\\[(?P<square>[^\n]{1,300}?)\\\]"
    r"|\$\$(?P<double>[^$\n]{1,300})\$\$|\$(?P<single>(?=[^\s\d])[^$\n]{1,300}(?<!\s)|[^$\n]{0,100}[\\^=][^$\n]{0,100})\$(?!\d)"
)
_SIGNS: Final = {
    "times": "×",
    "cdot": "×",
    "div": "÷",
    "pm": "±",
    "leq": "≤",
    "le": "≤",
    "geq": "≥",
    "ge": "≥",
    "neq": "≠",
    "ne": "≠",
    "approx": "≈",
    "infty": "∞",
    "sum": "∑",
    "int": "∫",
    "partial": "∂",
    "rightarrow": "→",
    "to": "→",
    "Rightarrow": "⇒",
    "in": "∈",
    "lt": "<",
    "gt": ">",
    "degree": "°",
    "circ": "°",
    "ldots": "…",
    "dots": "…",
    "cdots": "…",
    "equiv": "≡",
    "alpha": "α",
    "beta": "β",
    "gamma": "γ",
    "delta": "δ",
    "epsilon": "ε",
    "theta": "θ",
    "lambda": "λ",
    "mu": "μ",
    "pi": "π",
    "rho": "ρ",
    "sigma": "σ",
    "tau": "τ",
    "phi": "φ",
    "omega": "ω",
    "Delta": "Δ",
    "Sigma": "Σ",
    "Omega": "Ω",
    "quad": " ",
    "qquad": " ",
    **dict.fromkeys(("left", "right", "text", "mathrm", "mathbf", "mathbb", "operatorname", "displaystyle"), ""),
}
_FRACTION: Final = re.compile(r"\\[dt]?frac\{(?P<a>[^{}]{1,80})\}\{(?P<b>[^{}]{1,80})\}")
_ROOT: Final = re.compile(r"\\sqrt\{(?P<a>[^{}]{1,80})\}")
_COMMAND: Final = re.compile(r"\\(?P<name>[A-Za-z]{1,20})[ ]?|\\(?P<escaped>[%$#&_{},;:! ])|[{}]")
_INDEX: Final = re.compile(r"_\{?(?P<index>\w{1,8})\}?")
_INVERSE: Final = re.compile(r"\^\{(?P<exponent>[^{}]{1,20})\}")


def plain_formulas(text: Mapped) -> Mapped:
    """`text` with its formulas in plain signs."""
    return text.replaced(_FORMULA, _formula) if "$" in text.text or "\\" in text.text else text


def _formula(match: re.Match[str]) -> Sequence[Part]:
    inner = next(group for group in ("round", "square", "double", "single") if match[group] is not None)
    start, end = match.span(inner)
    if not re.search(r"[\\^_=]", match[inner]) and len(match[inner].strip()) > 1:
        return [Kept(start, end)]
    return [Said(plain_formula(match[inner]), start, end)]


def plain_formula(written: str) -> str:
    """A formula in plain signs; commands that are not known go by their names."""
    text = _FRACTION.sub(_fraction, _ROOT.sub(_root, written))
    text = _INVERSE.sub(r"^(\g<exponent>)", text)
    text = _INDEX.sub(r" \g<index>", text)
    return _COMMAND.sub(_command, text)


def _root(found: re.Match[str]) -> str:
    return f"√{found['a']}" if found["a"].isalnum() else f"√({found['a']})"


def _fraction(found: re.Match[str]) -> str:
    above, below = found["a"], found["b"]
    return f"{above}/{below}" if above.isdecimal() and below.isdecimal() else f"{above} / {below}"


def _command(found: re.Match[str]) -> str:
    name = found["name"]
    if name is None:
        return found["escaped"] or ""
    sign = _SIGNS.get(name)
    return f" {name} " if sign is None else sign + (found[0][len(name) + 1 :] if sign else "")
