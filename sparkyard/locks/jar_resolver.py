"""How is a group of jars resolved? By Maven in a build stage: the host needs only the engine."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from sparkyard import paths
from sparkyard.command import mask, run
from sparkyard.errors import SparkyardError
from sparkyard.locks.jars import Dependency, Group

Explain = Callable[[str], SparkyardError]
_DOCKERFILE = paths.IMAGES / "tools" / "resolver"


def in_container(
    debian: str, suite: str, *, explain: Explain, secrets: Sequence[str] = ()
) -> Callable[[Group, Path], None]:
    """Return a resolver for `sparkyard.locks.jars.lock`.

    Args:
        debian: a named context for the base: "docker-image://NAME" or "oci-layout://...".
        suite: the Debian suite that the base is of.
        explain: reads why a build failed off its log (builds/failure.py).
        secrets: the CA bundle and the mirrors, as buildx takes them.
    """

    def resolve(group: Group, destination: Path) -> None:
        if not group.dependencies:
            return
        with tempfile.TemporaryDirectory(prefix="sparkyard-maven-") as project:
            (Path(project) / "pom.xml").write_text(pom(group), encoding="utf-8")
            given = [word for secret in secrets for word in ("--secret", secret)]
            ended = run(
                [
                    *("docker", "buildx", "build", "--progress=plain", "--provenance=false"),
                    *("--build-context", f"debian={debian}"),
                    *("--build-context", f"project={project}"),
                    *("--build-context", f"common={paths.IMAGES / 'common'}"),
                    *("--build-arg", f"SUITES={suite}"),
                    *given,
                    *("--output", f"type=local,dest={destination}"),
                    str(_DOCKERFILE),
                ],
                check=False,
                quiet=False,
            )
        if ended.exit_code != 0:
            why = explain(ended.stderr)
            raise type(why)(
                f"The jars of group {group.name} could not be resolved. {why.what}",
                why.remedy,
                detail=mask("\n".join(ended.stderr.splitlines()[-20:])),
            )

    return resolve


def pom(group: Group) -> str:
    """Return a Maven project that wants exactly the jars of `group`."""
    wanted = "".join(_dependency(dependency) for dependency in group.dependencies)
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0">\n'
        "  <modelVersion>4.0.0</modelVersion>\n"
        "  <groupId>sparkyard</groupId>\n"
        f"  <artifactId>{escape(group.name)}</artifactId>\n"
        "  <version>1</version>\n"
        "  <packaging>pom</packaging>\n"
        f"  <dependencies>\n{wanted}  </dependencies>\n"
        "</project>\n"
    )


def _dependency(dependency: Dependency) -> str:
    maven_group, artifact, version = dependency.artifact.split(":")
    lines = [
        f"<groupId>{escape(maven_group)}</groupId>",
        f"<artifactId>{escape(artifact)}</artifactId>",
        f"<version>{escape(version)}</version>",
    ]
    if dependency.classifier:
        lines.append(f"<classifier>{escape(dependency.classifier)}</classifier>")
    if dependency.exclusions:
        lines.append("<exclusions>")
        for exclusion in dependency.exclusions:
            left_group, _, left_artifact = exclusion.artifact.partition(":")
            lines.append(
                f"<exclusion><groupId>{escape(left_group)}</groupId>"
                f"<artifactId>{escape(left_artifact or '*')}</artifactId></exclusion>"
            )
        lines.append("</exclusions>")
    return "    <dependency>" + "".join(lines) + "</dependency>\n"
