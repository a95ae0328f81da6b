"""Schemas of resources that others define: their CustomResourceDefinitions, from the modules that have them.

`go mod download` brings a module's files, checked against Go's checksum database, and builds nothing.
"""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from tests.deployed.manifests import Resource

_FOLDERS: Final = {
    "github.com/kedacore/keda/v2@v2.18.1": "config/crd/bases",
    "sigs.k8s.io/gateway-api@v1.4.0": "config/crd/standard",
    "github.com/cert-manager/cert-manager@v1.21.2": "deploy/crds",
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": "example/prometheus-operator-crd",
}
"""Where the definitions are in each module."""


class _Loader(yaml.CSafeLoader):
    """Reads `=`, which YAML 1.1 gives a meaning that PyYAML does not know, as the text that it is."""


_Loader.add_constructor("tag:yaml.org,2002:value", lambda _, node: str(node.value))

# Of the API server, whatever the definition says.
_OF_EVERY_RESOURCE: Final = ("apiVersion", "kind", "metadata")


@functools.cache
def kinds() -> dict[tuple[str, str], dict[str, Any]]:
    """Schema of each kind that the modules define, by apiVersion and kind."""
    return {
        (f"{definition['spec']['group']}/{version['name']}", definition["spec"]["names"]["kind"]): _strict(
            version["schema"]["openAPIV3Schema"]
        )
        for definition in definitions()
        for version in definition["spec"]["versions"]
    }


@functools.cache
def definitions() -> tuple[Resource, ...]:
    """All that the modules define."""
    assert shutil.which("go"), "The definitions of KEDA and others come as Go modules: install Go 1.26 or newer."
    return tuple(
        definition
        for module, folder in _FOLDERS.items()
        for path in sorted((_download(module) / folder).glob("*.yaml"))
        for definition in yaml.load_all(path.read_text(encoding="utf-8"), Loader=_Loader)
        if definition and definition["kind"] == "CustomResourceDefinition"
    )


def schema_of(resource: Resource) -> dict[str, Any]:
    """What a resource must be like.

    Raises:
        KeyError: no module defines it.
    """
    return kinds()[resource["apiVersion"], resource["kind"]]


def _download(module: str) -> Path:
    found = subprocess.run(["go", "mod", "download", "-json", module], capture_output=True, text=True, check=True)
    return Path(json.loads(found.stdout)["Dir"])


def _strict(schema: dict[str, Any]) -> dict[str, Any]:
    """The same, with no field let in that it does not name."""
    made = dict(schema)
    if made.pop("x-kubernetes-int-or-string", False):
        made.pop("type", None)
        made.setdefault("anyOf", [{"type": "integer"}, {"type": "string"}])
    if "properties" in made:
        made["properties"] = {
            name: each if name in _OF_EVERY_RESOURCE else _strict(each) for name, each in made["properties"].items()
        }
        if not made.get("x-kubernetes-preserve-unknown-fields"):
            made.setdefault("additionalProperties", False)
    for name in ("items", "additionalProperties"):
        if isinstance(made.get(name), dict):
            made[name] = _strict(made[name])
    return made
