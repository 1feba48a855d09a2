"""Who runs in a container, under which init, and what may an arbitrary user do?"""

from __future__ import annotations

import pytest
from testinfra.host import Host

from tests.images.users import ANY_USERS, READ_ONLY, WHO
from tests.support import Container, Lab, must


def test_the_default_user_is_not_root(host: Host, container: Container) -> None:
    assert host.user().uid == 1000
    assert host.user().name == "jovyan"
    assert host.user().gid == 100
    assert container.inspect()["Config"]["User"] == "1000:100"


def test_texts_are_utf_8(host: Host) -> None:
    environment = host.environment()
    assert (environment.get("LANG"), environment.get("LC_ALL")) == ("C.UTF-8", "C.UTF-8")


def test_tini_is_process_1(host: Host) -> None:
    assert host.file("/proc/1/comm").content_string.strip() == "tini"


# A Spark pair runs a Spark job as each of them: see ../pair/test_any_user.py.
@pytest.mark.parametrize("who", ANY_USERS)
def test_any_user_on_a_read_only_root_has_a_name_and_a_python(
    lab: Lab, image_reference: str, who: str
) -> None:
    options = ["--user", who, *READ_ONLY]
    uid, gid = who.split(":")
    ended = lab.once(image_reference, "python", "-c", WHO, options=options)
    assert must(ended) == f"{uid} {gid} jovyan-{uid}"


def test_the_command_can_be_overridden(lab: Lab, image_reference: str) -> None:
    assert must(lab.once(image_reference, "echo", "hello  world")) == "hello  world"
    assert lab.once(image_reference, "sh", "-c", "exit 7").exit_code == 7


def test_no_user_has_a_password(root_host: Host) -> None:
    lines = root_host.file("/etc/shadow").content_string.splitlines()
    fields = {line.split(":")[0]: line.split(":")[1] for line in lines}
    assert {"root", "jovyan"} <= fields.keys()
    assert {user: word for user, word in fields.items() if word.strip("!*")} == {}


def test_the_user_writes_at_home_and_not_in_the_system(host: Host) -> None:
    assert host.run("touch /home/jovyan/.probe && rm /home/jovyan/.probe").rc == 0
    for path in ("/etc/probe", "/usr/local/bin/probe"):
        assert host.run("touch %s", path).rc != 0, path
