"""What a process says of itself in all that it exports: who it is, in which version, and where it runs."""

from __future__ import annotations

import os
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from opentelemetry.sdk.resources import OTELResourceDetector, Resource

_FROM_ENVIRONMENT: Final = {
    "PARLEY_ENVIRONMENT": "deployment.environment.name",
    # Kubernetes tells a pod of itself in variables that its manifest names (the downward API).
    "K8S_CLUSTER_NAME": "k8s.cluster.name",
    "K8S_CONTAINER_NAME": "k8s.container.name",
    "K8S_DEPLOYMENT_NAME": "k8s.deployment.name",
    "K8S_NAMESPACE_NAME": "k8s.namespace.name",
    "K8S_NODE_NAME": "k8s.node.name",
    "K8S_POD_NAME": "k8s.pod.name",
    "K8S_POD_UID": "k8s.pod.uid",
}


def resource_of(service: str) -> Resource:
    """The resource of a process that calls itself `service`.

    `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` say more of it, or otherwise. The SDK gives each process a
    `service.instance.id` of its own.
    """
    ours = {"service.name": service}
    # Whoever runs the sources without installing them has no version.
    with suppress(PackageNotFoundError):
        ours["service.version"] = version("parley-voice")
    for variable, name in _FROM_ENVIRONMENT.items():
        value = os.environ.get(variable, "").strip()
        if value:
            ours[name] = value
    return Resource.create(ours).merge(OTELResourceDetector().detect())
