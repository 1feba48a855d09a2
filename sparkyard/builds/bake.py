"""What does `docker buildx bake` get to build the family in one solve?"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sparkyard import paths
from sparkyard.family.images import ROOT_PARENT
from sparkyard.files import whole_file
from sparkyard.mirror_login import apt_auth, split
from sparkyard.plan.base_image import BaseImage
from sparkyard.plan.inputs import Inputs
from sparkyard.plan.plan import INPUTS_LABEL, LABEL, Plan, Site, Step
from sparkyard.plan.targets import Target
from sparkyard.settings import Settings, ca_bundle

MIRRORS = paths.BUILD / "secrets" / "mirrors"
_LEVELS = {"zstd": 3, "gzip": 6}
"""Both at their default. zstd takes a quarter of gzip's time for the same size, on these layers."""


def definition(plan: Plan, where: Site, base: BaseImage) -> dict[str, Any]:
    """Return the bake definition for the plan's rebuilds, as the JSON form of a bake file."""
    steps = {step.image: step for step in plan.rebuilds}
    given = secrets(where.settings)
    targets: dict[str, Any] = {}
    for target in plan.targets.closure(tuple(steps)):
        if target.name == ROOT_PARENT and base.rootfs is None:
            continue
        entry = _target(target, base, given)
        if target.name in steps:
            step = steps[target.name]
            labels = _labels(step, where, base, plan.targets.inputs(target.name), target.epoch)
            entry |= {
                "tags": [step.reference],
                "labels": labels,
                "output": [output(where.settings)],
            }
        targets[target.name] = entry
    return {"group": {"default": {"targets": list(steps)}}, "target": targets}


def output(settings: Settings) -> str:
    """Return how an image is put into the engine's store, as buildx takes it.

    In OCI's media types: in Docker's own, zstd is no layer to `docker image ls`, which hides the
    image.
    """
    how = settings.compression
    level = f"compression-level={_LEVELS[how]},force-compression=true"
    return f"type=image,oci-mediatypes=true,compression={how},{level}"


def write_mirrors(settings: Settings, file: Path = MIRRORS) -> None:
    """Write the mirrors as shell variables, into the file that builds get as a secret.

    apt and Maven get users and passwords apart from the URLs.
    """
    names = ("pypi_index", "maven_mirror", "npm_registry", "cran_mirror")
    values = {name.upper(): getattr(settings, name) for name in names}
    apt = (settings.apt_mirror, settings.apt_security_mirror)
    values["APT_MIRROR"], values["APT_SECURITY_MIRROR"] = (split(url).url for url in apt)
    values["APT_AUTH"] = apt_auth(apt)
    maven = split(settings.maven_mirror)
    values["MAVEN_URL"] = maven.url
    values["MAVEN_USER"], values["MAVEN_PASSWORD"] = maven.user, maven.password
    lines = [f"{name}={_quoted(value)}\n" for name, value in values.items() if value]
    whole_file.write(file, "".join(lines))  # nobody else may read it, and no build half of it


def write(document: dict[str, Any], file: Path = paths.BUILD / "bake.json") -> Path:
    """Write a definition where it can be looked at after a build, and return its file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document, indent=2) + "\n")
    return file


def _quoted(text: str) -> str:
    """Return a text as a shell takes it literally."""
    return "'" + text.replace("'", "'\\''") + "'"


def _target(target: Target, base: BaseImage, given: Iterable[str]) -> dict[str, Any]:
    contexts = {name: str(place) for name, place in target.contexts.items()}
    for needed in target.needs:
        contexts[needed] = base.context if needed == ROOT_PARENT else f"target:{needed}"
    return {
        "context": str(target.directory),
        "dockerfile": str(target.dockerfile),
        "contexts": contexts,
        # BuildKit dates the image and its history by it, declared or not.
        "args": {**target.arguments, "SOURCE_DATE_EPOCH": str(target.epoch)},
        "secret": list(given),
        "output": ["type=cacheonly"],
        "attest": ["type=provenance,disabled=true"],
    }


def secrets(settings: Settings) -> list[str]:
    """Return what builds get as secrets, as buildx takes them: the mirrors and the CA bundle."""
    bundle = ca_bundle(settings)
    return [f"id=mirrors,src={MIRRORS}"] + ([f"id=ca,src={bundle}"] if bundle else [])


def _labels(
    step: Step, where: Site, base: BaseImage, decided_by: Inputs, epoch: int
) -> dict[str, str]:
    oci = "org.opencontainers.image"
    created = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    labels = {
        f"{oci}.title": step.image,
        f"{oci}.description": where.family[step.image].summary,
        f"{oci}.licenses": "Apache-2.0",
        f"{oci}.created": created,
        f"{LABEL}.image": step.image,
        f"{LABEL}.stack": where.project.name,
        f"{LABEL}.base": base.identity,
        f"{LABEL}.fingerprint": step.fingerprint,
        INPUTS_LABEL: json.dumps(decided_by, sort_keys=True, separators=(",", ":")),
    }
    name, digest = _identity(base)
    labels |= {f"{oci}.base.name": name, f"{oci}.base.digest": digest} if digest else {}
    return labels


def _identity(base: BaseImage) -> tuple[str, str]:
    """Return the base's name and digest: of its manifest, or of its root file system."""
    named = re.fullmatch(r"\w+ (\S+?)[@ ](sha256:[0-9a-f]+)", base.identity)
    return (named[1], named[2]) if named else ("", "")
