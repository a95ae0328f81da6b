"""The rules for the Prometheus operator are those of deploy/observability, to the letter."""

from __future__ import annotations

import yaml

from deploy.k8s.rules import RESOURCE, RULES, resource


def test_the_resource_is_made_of_the_rules_that_there_are() -> None:
    assert RESOURCE.read_text(encoding="utf-8") == resource(), "`make generate` makes it anew"


def test_the_operator_gets_the_groups_that_prometheus_reads() -> None:
    made = yaml.safe_load(resource())
    assert made["kind"] == "PrometheusRule"
    assert made["spec"] == yaml.safe_load(RULES.read_text(encoding="utf-8"))
