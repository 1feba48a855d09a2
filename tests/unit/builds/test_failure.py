"""Is the cause of a failed build read off its log, and does the message say what to do?

The logs are the ends of real ones; those of sources and of Maven have the tool's real words in a
build's frame.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from sparkyard.builds.failure import explain

LOGS = Path(__file__).parent / "logs"
JAR = "/maven/org/example/tiny/1.0/tiny-1.0.jar"
CASES: dict[str, tuple[int, *tuple[str, ...]]] = {
    "debian-architecture": (13, "the lock is for amd64, and this build is for arm64"),
    "debian-expired": (34, "this machine's clock is wrong"),
    "debian-login-page": (34, "is not signed"),
    "debian-no-package": (30, "Unable to locate package no-such-package-here"),
    "debian-not-found": (34, "does not have a Release file"),
    "debian-not-yet-valid": (34, "this machine's clock is wrong"),
    "debian-other": (14, "is not the tini 0.19.0-3+b8 of the lock"),
    "debian-out-of-order": (34, "503  Service Unavailable"),
    "debian-refused": (32, "Unable to connect to 172.17.0.1:9"),
    "disk-full-in-layer": (31, "its own log says more"),
    "disk-full-in-step": (31, "No space left on device"),
    "dockerfile-malformed": (30, "unknown instruction: RUNN"),
    "engine-gone": (20, "The engine went away"),
    "file-missing": (30, '"/nothere": not found'),
    "index-busy": (34, "503 Service Unavailable"),
    "index-certificate": (33, "https://pypi.org/simple/", "SPARKYARD_CA_BUNDLE"),
    "index-no-name": (32, "http://mirror.invalid/simple/"),
    "index-refused": (32, "http://172.17.0.1:9/simple/", "Connection refused", "Check the network"),
    "jar-certificate": (33, "https://repo1.maven.org/maven2/", "SPARKYARD_CA_BUNDLE"),
    "jar-cut": (34, "1000 of 128114 bytes", "maven_mirror"),
    "jar-forbidden": (34, f"http://172.17.0.1:38163{JAR}: answer 403", "maven_mirror"),
    "jar-no-name": (32, f"http://mirror.invalid{JAR}", "Check the network"),
    "jar-not-found": (34, f"{JAR}: the mirror has no such file (404)", "maven_mirror"),
    "jar-other": (14, f"{JAR}", "the lock has 128114 bytes", "nox -s dependencies"),
    "jar-refused": (32, "Connection refused"),
    "jar-server-error": (34, "answer 500"),
    "maven-busy": (34, "said: Could not transfer artifact com.google.guava:guava:jar:33", "503"),
    "maven-forbidden": (34, "artifact com.google.guava:guava:pom:33.0.0-jre", "code: 403"),
    "maven-not-found": (15, "said: Could not find artifact com.google.guava:listenablefuture:jar"),
    "maven-older-not-found": (15, "said: Could not find artifact com.google.guava:listenable"),
    "maven-refused": (32, "com.google.guava:guava:pom:33.0.0-jre", "Connection refused"),
    "package-not-found": (34, "was not found in the package registry", "pypi_index"),
    "registry-no-name": (32, "no such host"),
    "sdist-meson": (30, "scikit-image==0.22.0 could not", "Unknown compiler(s): [['cc']"),
    "sdist-no-compiler": (30, "hiredis==3.1.0 could not", "such file or directory: 'gcc'", "wheel"),
    "sdist-no-header": (30, "python-ldap==3.4.4 could not", "fatal error: lber.h: No such file"),
    "sdist-no-program": (30, "psycopg2==2.9.10 could not", "pg_config executable not found."),
    "sdist-no-rust": (30, "cryptography==42.0.0 could not", "can't find Rust compiler"),
    "sdist-timed-out": (32, "Failed to download and build `pyspark==3.5.9`: timed out"),
    "step-failed": (30, "RUN echo something && false. The build said: something"),
    "wheel-cut": (34, "Failed to download `tiny620db102ca==1.0`", "end of file", "pypi_index"),
    "wheel-login-page": (34, "Failed to download `tiny", "pypi_index"),
    "wheel-login-page-on-terminal": (34, "Failed to download `tiny"),
    "wheel-not-found": (34, "tiny", "404 Not Found", "pypi_index"),
    "wheel-other": (14, "Hash mismatch for `tiny3120cde476==1.0`", "nox -s dependencies"),
}


@pytest.mark.parametrize("name", sorted(file.stem for file in LOGS.glob("*.log")))
def test_names_the_cause(name: str) -> None:
    exit_code, *said = CASES[name]
    error = explain((LOGS / f"{name}.log").read_text())
    assert error.exit_code == exit_code, error.what
    assert said[0] in error.what
    assert [part for part in said if part not in f"{error.what} {error.remedy}"] == []
    assert "\n" not in error.what
    assert "\x1b" not in error.what
    assert len(error.what) < 600
    assert error.remedy


def test_reads_the_failed_step_and_not_the_warnings_of_others() -> None:
    log = (
        "#7 [a 1/1] RUN fetch\n#7 0.1 warning: Connection refused, trying again\n#7 DONE 2.0s\n"
        "#8 [b 1/1] RUN make\n#8 0.1 cc: error: no input files\n"
        "#8 ERROR: process did not complete\n------\n > [b 1/1] RUN make:\n"
        "0.1 cc: error: no input files\n------\nDockerfile:2\n--------------------\n"
        "   1 |     # 404  Not Found\n--------------------\n"
        "ERROR: failed to solve: process did not complete\n"
    )
    error = explain(log)
    assert error.exit_code == 30
    assert error.what == "A build step failed, [b 1/1] RUN make. " + (
        "The build said: cc: error: no input files"
    )


def test_a_disk_that_is_full_outranks_what_follows_from_it() -> None:
    log = "#8 0.1 write: No space left on device\n#8 0.2 Connection reset by peer\n#8 ERROR: x\n"
    assert explain(log).exit_code == 31


def test_shows_no_secrets() -> None:
    log = "#8 0.1 404  Not Found http://me:s3cret@host/x\n#8 ERROR: x\n"
    error = explain(log)
    assert error.exit_code == 34
    assert "http://***@host/x" in error.what


def test_shortens_a_long_line_in_its_middle() -> None:
    error = explain(f"#8 0.1 begin {'x' * 900} no space left on device\n#8 ERROR: x\n")
    assert "begin" in error.what
    assert "no space left on device" in error.what
    assert len(error.what) < 400


@pytest.mark.parametrize("log", ["", "\n\n", "\x1b[1A\x1b[0m\r", "#1 DONE 0.1s\n"])
def test_a_log_that_says_nothing_is_a_failed_build(log: str) -> None:
    assert explain(log).exit_code == 30


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("package-not-found", "nox -s dependencies -- --only python --upgrade"),
        ("wheel-not-found", "nox -s dependencies -- --only python --upgrade"),
        ("jar-not-found", "nox -s dependencies -- --only jars"),
    ],
)
def test_what_was_removed_is_told_with_the_command_that_mends_it(name: str, command: str) -> None:
    assert command in explain((LOGS / f"{name}.log").read_text()).remedy
