"""What NetworkPolicies let through, by their specification: read from objects of an API server, enforced by nobody."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.deployed.manifests import Resource

OUTSIDE: Final = ""
"""Namespace of what is in no cluster."""
SIDES: Final = ("Egress", "Ingress")


@dataclass(frozen=True, slots=True)
class End:
    """A pod, or an address outside."""

    name: str
    namespace: str
    address: str
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)
    """Those that have names."""


class Port(NamedTuple):
    """Where something listens."""

    protocol: str
    number: int


def end_of(pod: Resource) -> End:
    """A pod as the API server has it."""
    return End(
        pod["metadata"]["labels"].get("app.kubernetes.io/name", pod["metadata"]["name"]),
        pod["metadata"]["namespace"],
        pod["status"]["podIP"],
        pod["metadata"]["labels"],
        {port["name"]: port["containerPort"] for each in pod["spec"]["containers"] for port in each.get("ports", [])},
    )


@dataclass(frozen=True, slots=True)
class Rules:
    """All policies of a cluster."""

    policies: Sequence[Resource]
    namespaces: Mapping[str, Mapping[str, str]]
    """Labels of each."""

    @property
    def numbers(self) -> set[int]:
        """Ports that rules name by number."""
        rules = [
            rule
            for policy in self.policies
            for rule in (*policy["spec"].get("egress", []), *policy["spec"].get("ingress", []))
        ]
        return {port["port"] for rule in rules for port in rule.get("ports", []) if isinstance(port["port"], int)}

    def lets_through(self, source: End, target: End, port: Port) -> bool:
        """Whether both sides do: where no policy is on a side, it does."""
        return all(
            not (on_it := self._on(side, source if side == "Egress" else target))
            or any(self.grants(each, side, source, target, port) for each in on_it)
            for side in SIDES
        )

    def _on(self, side: str, own: End) -> list[Resource]:
        return [each for each in self.policies if side in each["spec"]["policyTypes"] and self.is_on(each, own)]

    def is_on(self, policy: Resource, end: End) -> bool:
        """Whether a policy selects an end."""
        return end.namespace == policy["metadata"]["namespace"] and selects(policy["spec"]["podSelector"], end.labels)

    def grants(self, policy: Resource, side: str, source: End, target: End, port: Port) -> bool:
        """Whether a policy lets its own end of a hop, the source of `Egress`, do its part in it."""
        own, peer, peers = (source, target, "to") if side == "Egress" else (target, source, "from")
        return self.is_on(policy, own) and any(
            _has_port(rule.get("ports"), target, port)
            and self._has_peer(rule.get(peers), policy["metadata"]["namespace"], peer)
            for rule in policy["spec"].get(side.lower(), [])
        )

    def _has_peer(self, peers: Sequence[Resource] | None, namespace: str, end: End) -> bool:
        return not peers or any(self._is_peer(peer, namespace, end) for peer in peers)

    def _is_peer(self, peer: Resource, namespace: str, end: End) -> bool:
        if "ipBlock" in peer:
            return _is_in(peer["ipBlock"], end.address)
        if end.namespace == OUTSIDE:
            return False
        # A selector of pods alone is one of pods in the policy's own namespace.
        is_there = (
            selects(peer["namespaceSelector"], self.namespaces[end.namespace])
            if "namespaceSelector" in peer
            else end.namespace == namespace
        )
        return is_there and selects(peer.get("podSelector", {}), end.labels)


def selects(selector: Resource, labels: Mapping[str, str]) -> bool:
    """Whether a label selector selects; an empty one selects all."""
    for each in selector.get("matchExpressions", []):
        value = labels.get(each["key"])
        found = {
            "In": value in each.get("values", []),
            "NotIn": value not in each.get("values", []),
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }
        if not found[each["operator"]]:
            return False
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def _has_port(ports: Sequence[Resource] | None, target: End, port: Port) -> bool:
    return not ports or any(_is_port(each, target, port) for each in ports)


def _is_port(described: Resource, target: End, port: Port) -> bool:
    if described.get("protocol", "TCP") != port.protocol:
        return False
    first = described.get("port", port.number)
    if isinstance(first, str):
        return target.ports.get(first) == port.number
    last = described.get("endPort")
    return bool(first <= port.number <= (first if last is None else last))


def _is_in(block: Resource, address: str) -> bool:
    found = ipaddress.ip_address(address)
    return found in ipaddress.ip_network(block["cidr"]) and not any(
        found in ipaddress.ip_network(each) for each in block.get("except", [])
    )
