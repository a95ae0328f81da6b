"""Writes down which images were published: `python deploy/images/digests.py build/metadata.json`.

The publisher runs it on what `docker buildx bake all --push --metadata-file build/metadata.json` has left. It writes
the digests of all images where both ways to run them read them: `deploy/k8s/components/digests/kustomization.yaml` and
`compose.digests.yaml`. Nothing is written unless every image has a digest.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
IMAGES: Final = ("gateway", "asr", "asr-cuda", "llm", "llm-cuda", "tts", "tts-piper", "tts-cuda", "models")
NAME: Final = "parley"
"""What the manifests call the registry; kustomize puts the real one in its place."""

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_KUSTOMIZATION: Final = "deploy/k8s/components/digests/kustomization.yaml"
_COMPOSE: Final = "compose.digests.yaml"
_HEAD: Final = "# Written by deploy/images/digests.py.\n"


class NotPublished(Exception):
    """The metadata does not say what was published; the message says of which image."""


@dataclass(frozen=True, slots=True)
class Published:
    """An image in a registry."""

    image: str
    name: str
    """Registry and repository, without a tag."""
    digest: str


def read(text: str) -> list[Published]:
    """What a bake's metadata file says of each image.

    Raises:
        NotPublished: an image is missing, or has no digest or no name.
    """
    try:
        metadata = json.loads(text)
    except ValueError as error:
        raise NotPublished(f"the metadata is no JSON: {error}") from error
    return [_published(image, metadata) for image in IMAGES]


def _published(image: str, metadata: object) -> Published:
    of_image = metadata.get(image) if isinstance(metadata, dict) else None
    if not isinstance(of_image, dict):
        raise NotPublished(f"{image} is not in the metadata: build it too, with `bake all`")
    digest, names = of_image.get("containerimage.digest"), of_image.get("image.name")
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise NotPublished(f"{image} has no digest ({digest!r}): was it pushed?")
    if not isinstance(names, str) or not names:
        raise NotPublished(f"{image} has no name ({names!r}): was it pushed?")
    # A colon behind the last slash begins a tag; one before it a port.
    host, slash, last = names.split(",")[0].rpartition("/")
    return Published(image, f"{host}{slash}{last.split(':')[0]}", digest)


def kustomization(published: list[Published]) -> str:
    """The component that puts the digests into the manifests."""
    lines = [f"- name: {NAME}/{each.image}\n  newName: {each.name}\n  digest: {each.digest}\n" for each in published]
    head = f"{_HEAD}apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
    return f"{head}images:\n{''.join(lines)}"


def compose(published: list[Published], services: dict[str, str]) -> str:
    """The file that puts the digests beside compose.yaml; `services` are the images by service."""
    images = {each.image: f"{each.name}@{each.digest}" for each in published}
    lines = [f"  {service}:\n    image: {images[image]}\n" for service, image in services.items()]
    return f"{_HEAD}services:\n{''.join(lines)}"


def services_of(text: str) -> dict[str, str]:
    """Which of our images each service of compose.yaml runs."""
    services: dict[str, str] = {}
    service = ""
    for line in text.splitlines():
        if named := re.fullmatch(r"  ([a-z][a-z-]*):", line):
            service = named[1]
        elif image := re.fullmatch(r"    image: \$\{IMAGE_PREFIX:-\w+\}/([a-z-]+):.*", line):
            services[service] = image[1]
    return services


def main() -> None:
    """Read the metadata and write both files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("metadata", type=Path, help="what --metadata-file of `docker buildx bake` wrote")
    parser.add_argument("--to", type=Path, default=ROOT, help="folder of the repository (default: this one)")
    given = parser.parse_args()
    try:
        published = read(given.metadata.read_text(encoding="utf-8"))
        services = services_of((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    except (OSError, NotPublished) as error:
        sys.exit(f"digests: {error}")
    for name, text in ((_KUSTOMIZATION, kustomization(published)), (_COMPOSE, compose(published, services))):
        path = given.to / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
