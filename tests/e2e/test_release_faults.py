"""A release meets the faults of networks, registries and people, and is never torn by one."""

from __future__ import annotations

import random
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import pytest

from sparkyard.errors import (
    HashMismatchError,
    ImmutableTagError,
    RegistryAbsentError,
    RegistryCredentialsError,
    RegistryRefusedError,
    RegistryUnreachableError,
    ReleaseInProgressError,
    SparkyardError,
    TagMovedError,
)
from sparkyard.plan.plan import Site
from sparkyard.registry.http import Limits
from sparkyard.registry.registry import Registry
from sparkyard.release import claim
from sparkyard.release.channel import LATEST
from sparkyard.release.claim_board import RegistryBoard
from sparkyard.release.releases import Place
from sparkyard.services import local_registry
from sparkyard.settings import Settings
from tests.e2e import fault_proxy as faults
from tests.e2e.chaos import client, made_family
from tests.e2e.chaos.client import Task
from tests.e2e.chaos.kills import Client
from tests.e2e.chaos.reader import MOVING, Reader
from tests.e2e.chaos.registry import OwnRegistry, own_registry, sent_twice
from tests.e2e.fault_proxy import Exchange, Fault, Proxy, Tokens
from tests.support import Lab

LIMITS = Limits(retries=3, backoff=0.05, longest_wait=2, connect=5, silence=3, grace=3)
PATIENT = replace(LIMITS, retries=8, silence=10)
HASTY = replace(LIMITS, retries=2, silence=1, grace=1)
BLOB = r"/blobs/uploads/.*digest="
RECORD = r"/releases/manifests/1\.\d+\.0$"
DATA = "/var/lib/docker-registry"
ALWAYS = 10**6


@dataclass
class ReleasedFamily:
    """A family that was released to a registry `number` times."""

    own: OwnRegistry
    namespace: str
    layout: Path
    seed: int = 0
    number: int = 0
    limits: Limits = field(default=LIMITS)

    def place(self, host: str = "", limits: Limits | None = None) -> Place:
        host = host or self.own.host
        registry = Registry(host, Settings(), limits=limits or self.limits)
        return Place(registry, host, self.namespace)

    def task(self, number: int) -> Task:
        layout = str(self.layout)
        return Task("release", self.own.host, self.namespace, layout, self.seed, number)

    def release(self, number: int, place: Place | None = None) -> None:
        """Release a version, by way of a proxy or not."""
        client.do(self.task(number), place or self.place())

    def torn(self, *numbers: int) -> list[str]:
        """Return what a reader sees that is neither of these releases as a whole."""
        reader = Reader(self.place(limits=PATIENT), self.seed)
        reader.allow(dict.fromkeys((*MOVING, LATEST), numbers))
        reader.look()
        return [*reader.findings.torn, *reader.findings.unread]

    def left(self, number: int) -> list[str]:
        """Return what is not as it must be when a version was released, and nothing happens."""
        reader = Reader(self.place(limits=PATIENT), self.seed)
        return reader.complete(number) + reader.settled(dict.fromkeys((*MOVING, LATEST), number))

    def completes(self, number: int) -> None:
        """Release a version without any fault, and see that all is there.

        A claim that could not be taken away is one of this process, which lives; a command's is one
        of a process that ended.
        """
        task = replace(self.task(number), take_over=True)
        client.do(task, self.place(limits=PATIENT))
        assert self.left(number) == []
        self.number = number


@pytest.fixture(scope="module")
def image(site: Site) -> str:
    return local_registry.build(site)


@pytest.fixture(scope="module")
def own(image: str, lab: Lab) -> Iterator[OwnRegistry]:
    with own_registry(image, label=lab.label) as running:
        Registry(running.host, Settings(), limits=PATIENT).ping()
        yield running


@pytest.fixture(scope="module")
def released(own: OwnRegistry, tmp_path_factory: pytest.TempPathFactory) -> ReleasedFamily:
    made = ReleasedFamily(own, "family", tmp_path_factory.mktemp("layout"))
    made.completes(1)
    return made


@pytest.fixture
def family(released: ReleasedFamily) -> Iterator[ReleasedFamily]:
    yield released
    # A claim that a failed test left is of this process, which lives.
    place = released.place(limits=PATIENT)
    board = RegistryBoard(place.registry, place.releases)
    for name in board.claims():
        board.remove(name)


@pytest.fixture
def proxy(own: OwnRegistry) -> Iterator[Proxy]:
    with faults.proxy(own.host) as running:
        yield running


OVERCOME = {
    "connections that are cut off": {
        "a question": Fault("HEAD", "/manifests/", faults.reset, after=3),
        "the begin of an upload": Fault("POST", "/blobs/uploads/", faults.reset, after=1),
        "a blob in its midst": Fault("PUT", BLOB, faults.reset_in_body, after=1),
        "the record": Fault("PUT", RECORD, faults.reset, after=0),
        "a tag": Fault("PUT", "/manifests/main", faults.reset, after=2),
    },
    "answers that are lost": {
        "to a blob": Fault("PUT", BLOB, faults.done_but_unheard, after=0),
        "to a manifest": Fault("PUT", "/manifests/sha256", faults.done_but_unheard, after=1),
        "to the record": Fault("PUT", RECORD, faults.done_but_unheard, after=0),
    },
    "answers that say later": {
        "too many": Fault("PUT", BLOB, faults.says(429, {"Retry-After": "1"}), after=0),
        "500 to a blob": Fault("PUT", BLOB, faults.says(500), after=0),
        "503 to a manifest": Fault("PUT", "/manifests/", faults.says(503), after=2),
        "502 to a list": Fault("GET", "/tags/list", faults.says(502, text="<html>"), after=1),
        "trickles": Fault("HEAD", "/manifests/", faults.trickles, after=2),
    },
}
"""Faults that happen once, by kind."""

ALONE = {
    f"{kind}: {name}": fault for kind, given in OVERCOME.items() for name, fault in given.items()
}


@pytest.mark.parametrize("kind", OVERCOME)
def test_a_release_overcomes_all_faults_of_a_kind(
    family: ReleasedFamily, proxy: Proxy, kind: str
) -> None:
    overcomes(family, proxy, *OVERCOME[kind].values())


@pytest.mark.nightly
@pytest.mark.parametrize("name", ALONE)
def test_a_release_overcomes_a_fault(family: ReleasedFamily, proxy: Proxy, name: str) -> None:
    overcomes(family, proxy, ALONE[name])


def overcomes(family: ReleasedFamily, proxy: Proxy, *given: Fault) -> None:
    """Release a version while each of these happens, and see that all is there."""
    proxy.faults = [replace(fault) for fault in given]
    following = family.number + 1
    slow = any(fault.does is faults.trickles for fault in given)
    family.release(following, family.place(proxy.host, HASTY if slow else LIMITS))
    assert [fault.path for fault in proxy.faults if fault.happened != 1] == []
    assert family.torn(following) == []
    assert family.left(following) == []
    family.number = following


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        pytest.param(
            Fault("PUT", BLOB, faults.reset_in_body, after=2),
            RegistryUnreachableError,
            id="blobs never arrive",
        ),
        pytest.param(
            Fault("PUT", "/manifests/sha256", faults.says(503), after=3),
            RegistryUnreachableError,
            id="503",
        ),
        pytest.param(
            Fault("PUT", RECORD, faults.says(500), after=0),
            RegistryRefusedError,
            id="500 to a record",
        ),
        pytest.param(
            Fault("PUT", "/manifests/main", faults.says(403), after=1),
            RegistryUnreachableError,
            id="something between forbids a tag",
        ),
        pytest.param(
            Fault(
                "PUT",
                "/manifests/spark-0$",
                faults.says(
                    403,
                    {"Docker-Distribution-Api-Version": "registry/2.0"},
                    '{"errors": [{"code": "DENIED"}]}',
                ),
                after=1,
            ),
            RegistryCredentialsError,
            id="the registry forbids a tag",
        ),
        pytest.param(
            Fault(
                "HEAD|GET",
                "/manifests/",
                faults.says(404, {"Content-Type": "text/html"}, "<html>"),
                after=4,
            ),
            RegistryUnreachableError,
            id="a page says that nothing is there",
        ),
        pytest.param(
            Fault("GET", "/manifests/sha256", faults.corrupts, after=1),
            HashMismatchError,
            id="a changed byte",
        ),
        pytest.param(
            Fault("PUT", BLOB, faults.says(507), after=1), RegistryRefusedError, id="no room"
        ),
        pytest.param(
            Fault("PUT", "/manifests/latest", faults.trickles, after=0),
            RegistryUnreachableError,
            id="trickles",
        ),
        pytest.param(
            Fault("PUT", "/manifests/1", faults.reset, after=2),
            RegistryUnreachableError,
            id="tags cut off",
        ),
    ],
)
def test_a_release_stops_whole_and_goes_on_when_it_never_ends(
    family: ReleasedFamily,
    proxy: Proxy,
    fault: Fault,
    error: type[SparkyardError],
) -> None:
    fault = replace(fault, times=ALWAYS)
    proxy.faults = [fault]
    following = family.number + 1
    limits = HASTY if fault.does is faults.trickles else LIMITS
    with pytest.raises(error) as stopped:
        family.release(following, family.place(proxy.host, limits))
    assert type(stopped.value) is error
    assert fault.happened
    assert family.torn(family.number, following) == []
    family.completes(following)


def test_a_token_that_expires_in_the_midst_is_renewed(family: ReleasedFamily, proxy: Proxy) -> None:
    proxy.tokens = tokens = Tokens(proxy)
    proxy.faults = [
        Fault("PUT", BLOB, faults.first(tokens.expire), after=1),
        Fault("PUT", RECORD, faults.first(tokens.expire)),
    ]
    following = family.number + 1
    family.release(following, family.place(proxy.host))
    assert all(fault.happened for fault in proxy.faults)
    assert tokens.given > 2
    assert family.left(following) == []
    family.number = following


@pytest.mark.parametrize("path", [BLOB, RECORD], ids=["in a blob", "at the record"])
def test_a_registry_that_dies_and_comes_back_is_waited_for(
    family: ReleasedFamily, proxy: Proxy, path: str
) -> None:
    def dies(exchange: Exchange) -> None:
        exchange.rfile.read(int(exchange.headers["Content-Length"]) // 2)
        family.own.kill()
        threading.Thread(target=family.own.start).start()
        exchange.reset()

    proxy.faults = [Fault("PUT", path, dies)]
    following = family.number + 1
    family.release(following, family.place(proxy.host, PATIENT))
    assert proxy.faults[0].happened == 1
    assert family.torn(following) == []
    assert family.left(following) == []
    family.number = following


def test_an_immutable_tag_that_is_taken_is_named_with_both_digests(family: ReleasedFamily) -> None:
    following = family.number + 1
    made = made_family.make(family.seed, following)
    place = family.place()
    path = place.repository(made.images[2].name).path
    other = place.registry.manifest(path, f"1.{family.number}.0")
    place.registry.put_manifest(path, made.version, other)
    with pytest.raises(ImmutableTagError) as refused:
        family.release(following)
    assert other.digest in refused.value.what
    assert made.index(made.images[2]).digest in refused.value.what
    assert not place.has(made.version)
    assert place.registry.manifest(path, made.version) == other
    family.number = following  # the version is spoilt; the tags are still the former release's
    family.completes(following + 1)


@pytest.mark.parametrize("when", ["before the look", "after the write"])
def test_a_tag_that_somebody_else_moves_meanwhile_is_told(
    family: ReleasedFamily, proxy: Proxy, when: str
) -> None:
    following = family.number + 1
    place = family.place()
    made = made_family.make(family.seed, following)
    path = place.repository("pyspark-notebook").path
    other = place.registry.manifest(path, made_family.make(family.seed, 1).version)

    def overwrite() -> None:
        place.registry.put_manifest(path, "main", other)

    def write_then_overwrite(exchange: Exchange) -> None:
        exchange.hand_on()
        overwrite()

    proxy.faults = [
        Fault("PUT", "pyspark-notebook/manifests/spark-0$", faults.first(overwrite))
        if when == "before the look"
        else Fault("PUT", "pyspark-notebook/manifests/main", write_then_overwrite)
    ]
    with pytest.raises(TagMovedError, match=r"pyspark-notebook:main .*somebody else"):
        family.release(following, family.place(proxy.host))
    assert proxy.faults[0].happened == 1
    assert place.has(made.version)
    family.completes(following)


def test_absent_and_unreachable_are_two_answers(family: ReleasedFamily) -> None:
    with pytest.raises(RegistryAbsentError):
        family.place().fetch("9.9.9")
    family.own.kill()
    try:
        with pytest.raises(RegistryUnreachableError):
            family.place().fetch("9.9.9")
        with pytest.raises(RegistryUnreachableError):
            family.release(family.number + 1)
    finally:
        family.own.start()
    family.place(limits=PATIENT).registry.ping()
    family.completes(family.number + 1)


def test_a_claim_of_a_dead_process_elsewhere_is_named_and_can_be_taken_over(
    family: ReleasedFamily,
) -> None:
    # The lowest name, which nobody waits for to step back.
    board = RegistryBoard(family.place().registry, family.place().releases)
    died = replace(
        claim.holder("release 7.0.0"), name="0" * 16, machine="elsewhere", host="build-7"
    )
    board.write(died)
    following = family.number + 1
    with pytest.raises(ReleaseInProgressError, match=r"release 7\.0\.0, by process \d+ on build-7"):
        family.release(following)
    assert list(board.claims()) == [died.name]
    client.do(replace(family.task(following), take_over=True), family.place())
    assert family.left(following) == []
    assert not board.claims()
    family.number = following


def test_clocks_that_jump_change_nothing(
    family: ReleasedFamily, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(7)  # noqa: S311 - years to jump by

    class Jumping(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Jumping:
            moment = datetime.now(tz or UTC) + timedelta(days=chance.randrange(-18000, 18000))
            return cls.fromtimestamp(moment.timestamp(), tz)

    monkeypatch.setattr("sparkyard.release.claim.datetime", Jumping)
    monkeypatch.setattr("tests.e2e.chaos.client.datetime", Jumping)
    monkeypatch.setattr(time, "time", lambda: float(chance.randrange(2**31)))
    for _ in range(2):
        family.completes(family.number + 1)
    assert family.torn(family.number) == []


def test_of_two_that_release_at_once_one_wins_and_nothing_is_mixed(
    own: OwnRegistry, tmp_path: Path
) -> None:
    ends: list[int] = []
    # Who loses is refused almost always; at times both publish, and the version is another's.
    while len(ends) < 3 or (ReleaseInProgressError.exit_code not in ends and len(ends) < 8):
        round_ = len(ends)
        namespace = f"contest-{round_}"
        both = [ReleasedFamily(own, namespace, tmp_path / f"{round_}-{n}", seed=n) for n in (1, 2)]
        codes = _at_once([each.task(1) for each in both])
        won = [each for each, (code, _) in zip(both, codes, strict=True) if code == 0]
        lost = [code for code, _ in codes if code]
        assert len(won) == 1, codes
        # Refused while the other publishes, or told afterwards that the version is another's.
        assert lost[0] in (ReleaseInProgressError.exit_code, ImmutableTagError.exit_code), codes
        assert won[0].left(1) == []
        ends.append(lost[0])
    assert ReleaseInProgressError.exit_code in ends


def test_of_two_that_release_the_same_at_once_none_fails_otherwise(
    own: OwnRegistry, tmp_path: Path
) -> None:
    for round_ in range(3):
        # Each has a layout of its own: to write one makes it anew, also while another reads it.
        two = [ReleasedFamily(own, f"same-{round_}", tmp_path / f"{round_}-{n}") for n in (1, 2)]
        same, codes = two[0], [code for code, _ in _at_once([each.task(1) for each in two])]
        assert 0 in codes
        assert set(codes) <= {0, ReleaseInProgressError.exit_code}
        assert same.left(1) == []


def test_a_registry_that_is_read_only_is_told_and_the_release_goes_on_afterwards(
    image: str, lab: Lab, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    store.mkdir(mode=0o777)
    store.chmod(0o777)
    options = ("--volume", f"{store}:{DATA}")
    read_only = {"REGISTRY_STORAGE_MAINTENANCE_READONLY": '{"enabled": true}'}
    with own_registry(image, label=lab.label, options=options) as running:
        family = ReleasedFamily(running, "family", tmp_path / "layout")
        family.completes(1)
    with own_registry(image, label=lab.label, options=options, environment=read_only) as running:
        family = replace(family, own=running)
        family.place(limits=PATIENT).registry.ping()
        with pytest.raises(RegistryRefusedError, match="does not take") as refused:
            family.release(2)
        assert "read-only" in refused.value.remedy
        assert family.torn(1) == []
    with own_registry(image, label=lab.label, options=options) as running:
        replace(family, own=running).completes(2)


def test_a_registry_whose_disk_is_full_is_told_and_the_release_goes_on_afterwards(
    image: str, lab: Lab, tmp_path: Path
) -> None:
    options = ("--tmpfs", f"{DATA}:size=14m,uid=1000")
    with own_registry(image, label=lab.label, options=options) as running:
        family = ReleasedFamily(running, "family", tmp_path / "layout")
        family.completes(1)
        inside = ["docker", "exec", running.container]
        subprocess.run(
            [*inside, "sh", "-c", f"head -c 14000000 /dev/zero > {DATA}/ballast || true"],
            check=True,
            capture_output=True,
        )
        with pytest.raises(RegistryRefusedError) as refused:
            family.release(2)
        assert "full" in refused.value.remedy
        assert family.torn(1, 2) == []
        subprocess.run([*inside, "rm", f"{DATA}/ballast"], check=True)
        # What the registry took only half of must not stand in the way.
        family.completes(2)


def test_no_blob_was_sent_twice_in_all_that(own: OwnRegistry, family: ReleasedFamily) -> None:
    made = [made_family.make(family.seed, n) for n in range(1, family.number + 1)]
    known = {digest for each in made for image in each.images for digest in image.blobs}
    in_family = [line for line in own.log() if "/v2/family/" in line]
    assert not known & set(sent_twice(in_family))


def _at_once(tasks: list[Task]) -> list[tuple[int, str]]:
    """Run tasks in processes of their own, and return how they ended."""
    clients = [Client() for _ in tasks]
    ends: dict[int, tuple[int, str]] = {}

    def run(at: int) -> None:
        ends[at] = (clients[at].run(tasks[at]), clients[at].said)

    threads = [threading.Thread(target=run, args=(at,)) for at in range(len(tasks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [ends[at] for at in range(len(tasks))]
