"""Tells Kubernetes which pods are idle: `python -m serving.deletion_cost NAME...`.

When a Deployment gets fewer replicas, its ReplicaSet takes away the pod whose annotation
`controller.kubernetes.io/pod-deletion-cost` is least. This command reads from each pod's `/metrics` how many sessions
or calls it has, and keeps that annotation true, so that a pod that nobody talks to is chosen first. Knows no service by
name.
"""
