"""Executors that are broken on purpose: each differs from the given image in one known way.

A broken image is a child of a good one, as a hurried person would make it. What it needs from a
package index is fetched under the host's CA bundle, given as a BuildKit secret. An image of ours
holds neither pip nor uv: a child that installs a package binds a uv of its own into the RUN.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sparkyard.command import run

CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
CA = f"--mount=type=secret,id=ca,target={CA_BUNDLE}"
UV = f"{CA} --mount=type=bind,from=uv,source=uv,target=/usr/local/bin/uv"

# Trixie, and bookworm for what trixie has not, whatever sources and pins the image was made with.
APT = (
    'for suite in trixie bookworm; do echo "deb http://deb.debian.org/debian $suite main"; done'
    " > /tmp/debian.list"
    " && apt='apt-get -qq -o Dir::Etc::SourceList=/tmp/debian.list -o Dir::Etc::SourceParts=-"
    " -o Dir::Etc::Preferences=- -o Dir::Etc::PreferencesParts=- -o APT::Sandbox::User=root'"
    " && $apt update && $apt install -y --no-install-recommends"
)
# Another Python and another Java than the image has. Both in one step, which the engine runs once
# for all images that begin with it.
OTHERS = (
    f'RUN {CA} case $("$PYSPARK_PYTHON" --version) in'
    " 'Python 3.13.'*) python=python3.11 ;; *) python=python3.13 ;; esac"
    f" && {APT} $python openjdk-25-jre-headless"
    " && ln -s $python /usr/bin/other-python"
    " && ln -s /usr/lib/jvm/java-25-openjdk-* /usr/lib/jvm/sparkyard-test"
)
JARS = 'cd "$(readlink -f "$SPARK_HOME")/jars"'
CONF = 'conf="${SPARK_CONF_DIR:-$SPARK_HOME/conf}"'
SITE = 'site="$("$PYSPARK_PYTHON" -c \'import sysconfig; print(sysconfig.get_path("purelib"))\')"'

# Spark's version from its jar, and the release before it: the line's, or for a .0 the last line's.
SPARK_PATCH = r"""
import os, pathlib, re, urllib.request
jars = pathlib.Path(os.environ["SPARK_HOME"], "jars")
for name in ("spark-core", "spark-common-utils"):
    for jar in jars.glob(name + "_*.jar"):
        module, *numbers = re.match(r"(.+)-(\d+)\.(\d+)\.(\d+)\.jar$", jar.name).groups()
        major, minor, patch = map(int, numbers)
        other = "%d.%d.%d" % ((major, minor, patch - 1) if patch else (major, minor - 1, 0))
        url = "https://repo.maven.apache.org/maven2/org/apache/spark/%s/%s/%s-%s.jar"
        body = urllib.request.urlopen(url % (module, other, module, other)).read()
        jar.unlink()
        (jars / ("%s-%s.jar" % (module, other))).write_bytes(body)
"""

# Debian has one patch release of a Python minor at a time, and no index here has an interpreter:
# so, as a last resort, a copy of the real one that calls itself by another patch release.
PYTHON_PATCH = r"""
set -e
binary=$(readlink -f "$PYSPARK_PYTHON")
version=$("$PYSPARK_PYTHON" -c 'import platform; print(platform.python_version())')
case $version in *9) other=${version%?}8 ;; *) other=${version%?}9 ;; esac
LC_ALL=C sed "s/$(echo "$version" | sed 's/[.]/[.]/g')/$other/g" "$binary" > /tmp/python
chmod 755 /tmp/python
mv /tmp/python "$binary"
"$PYSPARK_PYTHON" -c 'import platform, sys; sys.exit(platform.python_version() != "'"$other"'")'
"""


@dataclass(frozen=True)
class BrokenPair:
    """`steps` are Dockerfile lines after FROM, run as root; `row` is what the gate must name."""

    name: str
    row: str
    steps: tuple[str, ...]


BROKEN_PAIRS = (
    BrokenPair(
        "python-minor", "Python version", (OTHERS, "ENV PYSPARK_PYTHON=/usr/bin/other-python")
    ),
    BrokenPair("java", "Java version", (OTHERS, "ENV JAVA_HOME=/usr/lib/jvm/sparkyard-test")),
    BrokenPair("python-patch", "Python version", (f"RUN <<'SHELL'{PYTHON_PATCH}SHELL",)),
    BrokenPair(
        "spark-patch",
        "Spark version",
        (
            f"RUN {CA} SSL_CERT_FILE={CA_BUNDLE} \"$PYSPARK_PYTHON\" - <<'PYTHON'"
            f"{SPARK_PATCH}PYTHON",
        ),
    ),
    BrokenPair(
        "pandas",
        "package pandas",
        (
            f"RUN {UV} SSL_CERT_FILE={CA_BUNDLE} uv pip install -q --no-cache --no-deps "
            '--only-binary :all: --python "$PYSPARK_PYTHON" "pandas<$("$PYSPARK_PYTHON" -c '
            "'import pandas; print(pandas.__version__)')\"",
        ),
    ),
    BrokenPair(
        "pip-install-in-child",
        "package cowsay",
        (
            f"RUN {UV} SSL_CERT_FILE={CA_BUNDLE} uv pip install -q --no-cache --no-deps "
            '--python "$PYSPARK_PYTHON" cowsay',
        ),
    ),
    BrokenPair(
        "edited-file",
        "files of package numpy",
        (f'RUN {SITE} && echo >> "$site/numpy/__init__.py"',),
    ),
    BrokenPair("loose-module", "file /", (f'RUN {SITE} && touch "$site/sitecustomize.py"',)),
    BrokenPair(
        "missing-jar", "Spark jar RoaringBitmap", (f"RUN {JARS} && rm RoaringBitmap-*.jar",)
    ),
    BrokenPair(
        "swapped-jar",
        "Spark jar commons-text",
        (f'RUN {JARS} && for jar in commons-text-*.jar; do echo >> "$jar"; done',),
    ),
    BrokenPair(
        "conf",
        "conf spark.sql.shuffle.partitions",
        (
            f'RUN {CONF} && mkdir -p "$conf" '
            '&& echo "spark.sql.shuffle.partitions 7" >> "$conf/spark-defaults.conf"',
        ),
    ),
    BrokenPair(
        "core-site",
        "file /etc/spark/core-site.xml",
        (
            f'RUN {CONF} && mkdir -p "$conf" '
            '&& echo "<configuration> </configuration>" > "$conf/core-site.xml"',
        ),
    ),
    BrokenPair("time-zone", "Time zone", ("ENV TZ=Asia/Tokyo",)),
    BrokenPair(
        "java-time-zone",
        "JAVA_TOOL_OPTIONS",
        ("ENV JAVA_TOOL_OPTIONS=-Duser.timezone=America/New_York",),
    ),
    BrokenPair(
        "standard-library",
        "file /usr/lib/python3",
        (
            'RUN echo "# changed" >>"$("$PYSPARK_PYTHON" -c '
            "'import json.decoder; print(json.decoder.__file__)')\"",
        ),
    ),
    BrokenPair(
        "certificates",
        "file /etc/ssl/certs/java/cacerts",
        ("RUN : >/etc/ssl/certs/java/cacerts",),
    ),
    BrokenPair("hash-seed", "PYTHONHASHSEED", ("ENV PYTHONHASHSEED=42",)),
    BrokenPair(
        "spark-home",
        "SPARK_HOME",
        ('RUN ln -s "$SPARK_HOME" /srv/spark', "ENV SPARK_HOME=/srv/spark"),
    ),
)

MASKING = "python-minor"
"""It changes the interpreter, so the faults in the other one's packages would not show."""

GATHERED = tuple(pair for pair in BROKEN_PAIRS if pair.name != MASKING)
"""The faults that do not hide each other, so one image can have all of them."""

ALL_AT_ONCE = BrokenPair("all-at-once", "", tuple(step for pair in GATHERED for step in pair.steps))


@contextmanager
def broken(pair: BrokenPair, executors: str) -> Iterator[str]:
    """Give the name of a broken child of `executors`, and take the image away afterwards."""
    name = f"sparkyard-test/broken:{pair.name}-{secrets.token_hex(4)}"
    user = run(["docker", "image", "inspect", "--format", "{{.Config.User}}", executors]).stdout
    lines = [f"FROM {executors}", "USER root", *pair.steps, f"USER {user.strip() or 'root'}", ""]
    with tempfile.TemporaryDirectory(prefix="sparkyard-broken-") as directory:
        context = Path(directory)
        (context / "Dockerfile").write_text("\n".join(lines), encoding="utf-8")
        # To compress its layers would take longer than all its steps.
        output = f"type=image,name={name},compression=uncompressed"
        argv = ["docker", "buildx", "build", "--provenance=false", "--output", output]
        if CA_BUNDLE.exists():
            argv += ["--secret", f"id=ca,src={CA_BUNDLE}"]
        if any("from=uv" in step for step in pair.steps):
            (context / "uv").mkdir()
            shutil.copy2(_uv(), context / "uv" / "uv")
            argv += ["--build-context", f"uv={context / 'uv'}"]
        try:
            run([*argv, str(context)], timeout=600)
            yield name
        finally:
            run(["docker", "image", "rm", "--force", name], check=False)


def _uv() -> str:
    import uv  # type: ignore[import-untyped,unused-ignore]  # noqa: PLC0415

    return str(uv.find_uv_bin())
