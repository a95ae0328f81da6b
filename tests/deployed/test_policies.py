"""The NetworkPolicies that were applied let through what their README says, between all that could be there."""

from __future__ import annotations

import ipaddress
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from tests.deployed.cluster import NAMESPACE, PATIENCE
from tests.deployed.manifests import K8S
from tests.deployed.policies import OUTSIDE, SIDES, End, Port, Rules, end_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.deployed.cluster import Cluster
    from tests.deployed.conftest import Applied
    from tests.deployed.manifests import Resource

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.parametrize("applied", ["production-gpu"], indirect=True),
]
# One that anybody may have, and some of networks that are somebody's own.
ADDRESSES: Final = ("198.51.100.7", "10.200.3.4", "172.20.3.4", "192.168.3.4", "100.64.3.4")
# Where a cloud tells a machine its secrets: in no row.
METADATA: Final = "169.254.169.254"
PRIVATE: Final = [
    ipaddress.ip_network(each) for each in ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16")
]
OTHERS: Final = ("monitoring", "observability", "kube-system", "gateways")
README: Final = K8S / "components" / "network-policies" / "README.md"


class Hop(NamedTuple):
    source: str
    target: str
    port: Port


@dataclass(frozen=True, slots=True)
class Field:
    """All ends and rules that there are."""

    ends: tuple[End, ...]
    rules: Rules

    @property
    def ours(self) -> list[End]:
        return [end for end in self.ends if end.namespace == NAMESPACE]

    @property
    def others(self) -> list[End]:
        return [end for end in self.ends if end.namespace != NAMESPACE]

    @property
    def ports(self) -> list[Port]:
        """Every port that somebody has, a row or a rule names, and some that nobody does."""
        numbers = {port for end in self.ends for port in end.ports.values()} | {22, 80, 9090}
        numbers |= {number for row in table() for number in numbers_of(row[2])} | self.rules.numbers
        return [Port(protocol, number) for protocol in ("TCP", "UDP") for number in sorted(numbers)]

    def hops(self) -> Iterator[tuple[End, End, Port]]:
        """All that could be, with one of ours in it."""
        for source, target in itertools.permutations(self.ends, 2):
            if NAMESPACE in {source.namespace, target.namespace} and source.name != target.name:
                yield from ((source, target, port) for port in self.ports)


@pytest.fixture(scope="module")
def field(applied: Applied) -> Iterator[Field]:
    """Our pods as they were scheduled, pods of other namespaces that look like ours, and addresses outside."""
    cluster = applied.cluster
    others = [name for name in (*OTHERS, "elsewhere") if name != "kube-system"]
    for name in others:
        cluster.do("create", "namespace", name)
    try:
        for name in ("kube-system", *others):
            # Every pod has one, which comes a moment after its namespace.
            cluster.do("wait", "-n", name, "serviceaccount/default", "--for=create", PATIENCE)
            cluster.create(lookalike(name))
            cluster.do("wait", "-n", name, "pod/lookalike", "--for=condition=Ready", PATIENCE)
        yield Field(tuple(ends(cluster)), rules(cluster))
    finally:
        cluster.do("delete", "pod", "lookalike", "-n", "kube-system", "--ignore-not-found", PATIENCE)
        cluster.do("delete", "namespace", *others, PATIENCE)


def lookalike(namespace: str) -> Resource:
    """A pod with the labels of a gateway."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "lookalike",
            "namespace": namespace,
            "labels": {"app.kubernetes.io/name": "gateway", "app.kubernetes.io/part-of": "parley"},
        },
        "spec": {"containers": [{"name": "any", "image": "parley.example/any:1"}]},
    }


def ends(cluster: Cluster) -> Iterator[End]:
    # Replicas are alike.
    yield from {end.name: end for end in map(end_of, cluster.items("pods"))}.values()
    for name in (*OTHERS, "elsewhere"):
        [pod] = [each for each in cluster.items("pods", namespace=name) if each["metadata"]["name"] == "lookalike"]
        end = end_of(pod)
        yield End(f"namespace `{name}`", name, end.address, end.labels, end.ports)
    yield from (End(address, OUTSIDE, address) for address in (*ADDRESSES, METADATA))


def rules(cluster: Cluster) -> Rules:
    namespaces = cluster.items("namespaces")
    return Rules(
        cluster.items("networkpolicies", "--all-namespaces"),
        {each["metadata"]["name"]: each["metadata"]["labels"] for each in namespaces},
    )


def table() -> list[tuple[str, str, str]]:
    """Who may connect to whom, and where, as the README says it."""
    lines = [line for line in README.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [(who, to, port) for who, to, port in cells[1:]]


def rows(field: Field, side: str = "") -> list[set[Hop]]:
    """The hops that each row names; with a side, what the policy on that side of a hop cannot but let through."""
    # Whoever lets anyone in lets ours in too, who are then not let out; and so it is with addresses.
    sources = field.ends if side == "Ingress" else field.others
    targets = field.ends if side == "Egress" else field.others
    return [hops_of(field, row, sources, targets) for row in table()]


def hops_of(field: Field, row: tuple[str, str, str], sources: Sequence[End], targets: Sequence[End]) -> set[Hop]:
    """What a row means: as many ports as targets belong to them one by one."""
    who, to = meant(field, row[0], sources), meant(field, row[1], targets)
    numbers = numbers_of(row[2])
    pairs = zip(to, numbers, strict=True) if len(to) == len(numbers) else itertools.product(to, numbers)
    return {
        Hop(source, target, Port(protocol, number))
        for (target_names, number), source in itertools.product(pairs, itertools.chain(*who))
        for target in target_names
        # Names are asked for over both.
        for protocol in (("TCP", "UDP") if number == 53 else ("TCP",))
        if source != target
    }


def numbers_of(ports: str) -> list[int]:
    return [int(each) for each in ports.split(", ")]


def meant(field: Field, words: str, among: Sequence[End]) -> list[set[str]]:
    """The ends that a cell of the table speaks of, by each of its names."""
    private = {end.name for end in among if is_private(end)}
    public = {end.name for end in among if not is_private(end) and end.name != METADATA}
    wide = {
        "anyone": {end.name for end in among},
        "all": {end.name for end in field.ours},
        "addresses in private ranges": private,
        "addresses outside the private ranges": public,
    }
    return [wide[words]] if words in wide else [{name} for name in words.split(", ")]


def is_private(end: End) -> bool:
    return any(ipaddress.ip_address(end.address) in each for each in PRIVATE)


def named(hops: Iterator[tuple[End, End, Port]]) -> set[Hop]:
    return {Hop(source.name, target.name, port) for source, target, port in hops}


def test_every_row_is_about_ends_that_there_are(field: Field) -> None:
    names = {end.name for end in field.ends}
    for row in rows(field):
        assert {name for hop in row for name in (hop.source, hop.target)} <= names
        assert row


def test_all_rows_are_let_through_and_nothing_else(field: Field) -> None:
    through = named(hop for hop in field.hops() if field.rules.lets_through(*hop))
    assert through == set().union(*rows(field))


def test_every_policy_lets_through_what_one_row_names_and_all_of_them_all_rows(field: Field) -> None:
    for side in SIDES:
        meant_here, granted = rows(field, side), set()
        for policy in field.rules.policies:
            through = named(hop for hop in field.hops() if field.rules.grants(policy, side, *hop))
            assert not through or any(through <= row for row in meant_here), policy["metadata"]["name"]
            granted |= through
        ours = {end.name for end in field.ours}
        every = {hop for row in meant_here for hop in row}
        assert granted == {hop for hop in every if (hop.source if side == "Egress" else hop.target) in ours}


def test_without_a_policy_that_lets_it_through_nothing_goes(field: Field) -> None:
    denying = [each for each in field.rules.policies if each["metadata"]["name"] == "deny-all"]
    denied = Rules(denying, field.rules.namespaces)
    assert named(hop for hop in field.hops() if denied.lets_through(*hop)) == set()


def test_a_pod_of_another_namespace_that_looks_like_ours_is_not_taken_for_it(field: Field) -> None:
    [elsewhere] = [end for end in field.ends if end.namespace == "elsewhere"]
    [asr] = [end for end in field.ends if end.name == "asr"]
    [gateway] = [end for end in field.ends if end.name == "gateway"]
    own = {"app.kubernetes.io/name", "app.kubernetes.io/part-of"}
    assert {key: elsewhere.labels[key] for key in own} == {key: gateway.labels[key] for key in own}
    assert field.rules.lets_through(gateway, asr, Port("TCP", 50051))
    assert not field.rules.lets_through(elsewhere, asr, Port("TCP", 50051))
