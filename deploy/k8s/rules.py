"""Makes `components/monitoring/rules.yaml` of the rules in deploy/observability: `python deploy/k8s/rules.py`.

Prometheus reads a file, and its operator a resource with the same groups in it. kustomize reads nothing outside the
folder that it builds, so the resource is checked in; `make generate` makes it anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

DEPLOY: Final = Path(__file__).resolve().parents[1]
RULES: Final = DEPLOY / "observability" / "prometheus" / "rules.yml"
RESOURCE: Final = DEPLOY / "k8s" / "components" / "monitoring" / "rules.yaml"

_HEAD: Final = """\
# Made by `make generate` of deploy/observability/prometheus/rules.yml.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: parley
spec:
"""


def resource() -> str:
    """The resource as it must be."""
    lines = RULES.read_text(encoding="utf-8").splitlines()
    return _HEAD + "".join(f"  {line}\n" if line else "\n" for line in lines)


if __name__ == "__main__":
    RESOURCE.write_text(resource(), encoding="utf-8")
