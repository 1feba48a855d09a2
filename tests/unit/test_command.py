"""Do commands end as they should, and do no secrets show when they are printed?"""

from __future__ import annotations

import sys

import pytest

from sparkyard.command import mask, run
from sparkyard.errors import CommandFailedError


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:s3cret@host/simple", "https://***@host/simple"),
        ("http://me:p%40ss@host:8080/a b", "http://***@host:8080/a b"),
        ("password=s3cret", "password=***"),
        ("DB_PASSWORD=s3cret next", "DB_PASSWORD=*** next"),
        ("--token=s3cret --other=1", "--token=*** --other=1"),
        ("aws_secret_key: s3cret", "aws_secret_key: ***"),
        ("AWS_SECRET_ACCESS_KEY=s3cret", "AWS_SECRET_ACCESS_KEY=***"),
        ("Secret-Key=s3cret", "Secret-Key=***"),
        ("api_key=s3cret", "api_key=***"),
        ("apikey=s3cret", "apikey=***"),
        ("-e GITHUB_TOKEN=s3cret", "-e GITHUB_TOKEN=***"),
        ("two: http://a:s3cret@x and http://b:s3cret@y", "two: http://***@x and http://***@y"),
        ("https://s3cret@host/simple", "https://***@host/simple"),
        ("spark.hadoop.fs.s3a.access.key=s3cret", "spark.hadoop.fs.s3a.access.key=***"),
        ("spark.hadoop.fs.s3a.secret.key  s3cret", "spark.hadoop.fs.s3a.secret.key  ***"),
    ],
)
def test_masks_secrets(text: str, shown: str) -> None:
    assert mask(text) == shown
    assert "s3cret" not in mask(text)


@pytest.mark.parametrize(
    "text",
    [
        "https://host:5000/simple",
        "docker image inspect a/b:c@sha256:0123",
        "the token was read",
        "git@github.com:me/it.git",
        "id=mirrors,src=/srv/build/secrets/mirrors",
        "",
    ],
)
def test_leaves_the_rest_alone(text: str) -> None:
    assert mask(text) == text


def test_keeps_both_streams() -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr)"
    ended = run([sys.executable, "-c", code])
    assert (ended.exit_code, ended.stdout, ended.stderr) == (0, "out\n", "err\n")


def test_gives_no_standard_input_unless_told() -> None:
    read = [sys.executable, "-c", "import sys; print(sys.stdin.read())"]
    assert run(read).stdout == "\n"
    assert run(read, stdin="text").stdout == "text\n"


def test_adds_variables_to_its_own() -> None:
    code = "import os; print(os.environ['ADDED'], 'PATH' in os.environ)"
    assert run([sys.executable, "-c", code], env={"ADDED": "yes"}).stdout == "yes True\n"


def test_a_failure_shows_command_code_and_end_without_secrets() -> None:
    code = "import sys; [print(i) for i in range(50)]; print('token=s3cret'); sys.exit(3)"
    with pytest.raises(CommandFailedError) as failure:
        run([sys.executable, "-c", code, "--password=s3cret"])
    assert "Exit code 3" in failure.value.what
    assert "--password=***" in failure.value.what
    shown = failure.value.detail.splitlines()
    assert shown[-1] == "token=***"
    assert len(shown) == 20
    assert "s3cret" not in failure.value.what + failure.value.detail


def test_a_failure_is_the_callers_where_it_asks() -> None:
    assert run([sys.executable, "-c", "raise SystemExit(3)"], check=False).exit_code == 3


def test_a_command_that_does_not_exist() -> None:
    with pytest.raises(CommandFailedError, match="no-such-command is not installed"):
        run(["no-such-command", "--token=s3cret"])


def test_a_command_that_does_not_end() -> None:
    with pytest.raises(CommandFailedError, match="No end after 0 s"):
        run([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.3)


def test_prints_the_command_quoted_and_masked(capsys: pytest.CaptureFixture[str]) -> None:
    run([sys.executable, "-c", "", "two words", "http://me:s3cret@host"], quiet=False)
    printed = capsys.readouterr().err
    assert "'two words'" in printed
    assert "http://***@host" in printed
    assert "s3cret" not in printed
