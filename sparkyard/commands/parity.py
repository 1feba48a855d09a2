"""Compare images that must agree, a driver's and its executors'; fail where they do not.

With --cluster, compare a driver and executors that run on the Kubernetes that KUBECONFIG names.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sparkyard import commands, evidence, git
from sparkyard import console as told
from sparkyard.engine import engine
from sparkyard.errors import ImageMissingError, ParityError
from sparkyard.evidence import Evidence
from sparkyard.facts import facts, layers
from sparkyard.facts.identity import ImageIdentity
from sparkyard.family import images, projects
from sparkyard.family.images import DRIVES, SERVES
from sparkyard.parity import parity, shown
from sparkyard.parity.parity import TABLES, Report
from sparkyard.parity.rule import MUST, Table
from sparkyard.plan import plan
from sparkyard.record.record import ParityRow


def main(argv: list[str]) -> int:
    """Print the parity table of two images; return 0 when all musts hold.

    Raises:
        ParityError: something differs, or is not known, that must be equal.
        SparkyardError: an image is not there or cannot be looked into.
    """
    options = _parse(argv)
    if options.cluster:
        return _on_cluster(options)
    pairs = _pairs(options)
    documents, broken = [], []
    proven: list[Evidence] = []
    try:
        for pair in pairs:
            report, shared, outcomes = _compare(pair)
            proven += outcomes
            if options.json:
                documents.append(shown.as_json(pair.driver, pair.executors, report, shared))
            else:
                shown.show(pair.driver, pair.executors, report, shared, options.rows)
            if not report.holds:
                broken.append(shown.failure(pair.driver, pair.executors, report))
    finally:
        _record(proven)
    if options.json:
        print(json.dumps({"pairs": documents}, indent=2))
    if len(broken) > 1:
        raise ParityError("\n".join(str(error) for error in broken), broken[0].remedy)
    if broken:
        raise broken[0]
    return 0


@dataclass(frozen=True)
class _Pair:
    """References of a driver's and an executors' image; `own` where the family says that.

    Under another kind of edge, of what is first and second in its table.
    """

    driver: str
    executors: str
    own: bool
    table: Table = TABLES[DRIVES]


def _pairs(options: argparse.Namespace) -> list[_Pair]:
    """Return what is to be compared: the two that are named, else each pair of the family."""
    if options.driver and options.executor:  # two images from elsewhere need no family of ours
        return [_Pair(options.driver, options.executor, own=False)]
    sites = plan.sites(options.stack)
    if options.driver or options.executor:
        here = sites[0]
        first = here.family.pair
        driver = options.driver or here.name(first.driver)
        return [_Pair(driver, options.executor or here.name(first.executors), own=False)]
    pairs = [
        _Pair(here.name(edge.first), there.name(edge.second), own=True, table=TABLES[edge.kind])
        for here in sites
        for edge in here.family.edges
        # A driver and its executors are of one stack; a hub serves the images of every stack.
        for there in ([here] if edge.kind == DRIVES else plan.sites(projects.ALL))
        if edge.second in there.family
    ]
    served = [pair for pair in pairs if pair.table is TABLES[SERVES]]
    missing = {name for pair in served for name in (pair.driver, pair.executors)}
    missing -= engine.inspect(missing).keys()
    for absent in sorted({pair.driver for pair in served} & missing):
        told.note(f"{absent} is not built, and not compared with what it serves")
    unbuilt = [pair for pair in served if missing & {pair.driver, pair.executors}]
    built = [pair for pair in pairs if pair not in unbuilt]
    if not built:
        raise ImageMissingError(
            "There are no two images here that must agree: nothing was compared.",
            "Take --stack all, and build what is to be compared: `nox -s build -- --stack all`.",
        )
    return built


def _compare(pair: _Pair) -> tuple[Report, layers.LayerComparison, tuple[Evidence, ...]]:
    """Compare two images; return the report and what it proves of them."""
    began = time.monotonic()
    before = (facts.resolve(pair.driver), facts.resolve(pair.executors))
    shared = layers.compare(pair.driver, pair.executors)
    with ThreadPoolExecutor(2) as pool:  # each look waits for its container
        driver, executors = pool.map(facts.collect, (pair.driver, pair.executors))
    report = parity.compare(driver, executors, shared, pair.table)
    seconds = time.monotonic() - began
    after = (facts.resolve(pair.driver), facts.resolve(pair.executors))
    proven = _proven(before, report, seconds, own=pair.own) if before == after else ()
    return report, shared, proven  # nothing is proven where a tag moved meanwhile


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = commands.parser("parity", __doc__)
    parser.add_argument("--driver", metavar="IMAGE", help="where the driver runs: any image")
    parser.add_argument("--executor", metavar="IMAGE", help="where the executors run: any image")
    commands.add_stack(parser, several=True)
    parser.add_argument("--json", action="store_true", help="print the report for machines")
    rows = parser.add_mutually_exclusive_group()
    for names, which, what in (
        (("--failures",), shown.FAILING, "print only the rows that fail"),
        (("-v", "--all"), shown.ALL, "print the rows that agree, too"),
    ):
        rows.add_argument(
            *names, dest="rows", action="store_const", const=which, default="", help=what
        )
    live = parser.add_argument_group("on a Kubernetes that KUBECONFIG names")
    live.add_argument("--cluster", action="store_true", help="run both there, and compare the pods")
    live.add_argument("--pod", metavar="NAME", help="take this running notebook as the driver")
    live.add_argument("--namespace", metavar="NS", help="where (default: the context's own)")
    live.add_argument("--context", metavar="NAME", help="of the kubeconfig (default: its current)")
    live.add_argument(
        "--executors", metavar="N", type=_number(1, 100), help="how many (default: 2)"
    )
    live.add_argument("--service-account", metavar="NAME", help="the driver's (default: notebook)")
    live.add_argument(
        "--timeout", metavar="S", type=_number(20, 7200), help="seconds in all (default: 180)"
    )
    options = parser.parse_args(argv)
    named = ("pod", "namespace", "context", "executors", "service_account", "timeout")
    given = [f"--{name.replace('_', '-')}" for name in named if getattr(options, name) is not None]
    if given and not options.cluster:
        parser.error(f"{', '.join(given)} only with --cluster")
    if options.pod and (options.driver or options.service_account):
        parser.error("--pod is the driver: leave --driver and --service-account out")
    return options


def _number(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"{text!r} is no number from {least} to {most}")
        return int(text)

    return number


def _on_cluster(options: argparse.Namespace) -> int:
    """Print the parity table of pods; return 0 when all musts hold."""
    # Only here: the client of Kubernetes is slow to import, and images need no cluster.
    from sparkyard.kubernetes import cluster  # noqa: PLC0415
    from sparkyard.parity import live as live_parity  # noqa: PLC0415
    from sparkyard.parity import live_run  # noqa: PLC0415
    from sparkyard.parity.live_pods import Request  # noqa: PLC0415

    reached = cluster.connect(options.context)
    driver, executor = options.driver or "", options.executor or ""
    if not options.pod and not (driver and executor):
        here = plan.site(options.stack)
        driver = driver or here.name(here.family.pair.driver)
        executor = executor or here.name(here.family.pair.executors)
    request = Request(
        run=live_run.new_run(),
        namespace=options.namespace or reached.namespace,
        driver=driver,
        executor=executor,
        executors=options.executors or 2,
        account=options.service_account or "notebook",
        seconds=options.timeout or 180,
    )
    if options.pod:
        found = live_run.in_running_pod(reached, request, options.pod)
    else:
        found = live_run.in_own_pod(reached, request)
    rows = live_parity.compare(found.driver, found.executors)
    report = live_parity.report(rows)
    if options.json:
        document = shown.live_json(reached.context, request.namespace, found, rows)
        print(json.dumps(document, indent=2))
    else:
        where = f"{reached.server} (context {reached.context}), namespace {request.namespace}"
        shown.show_rows(shown.live_lines(where, found), report, options.rows)
    if report.holds:
        return 0
    raise shown.failure(
        f"{found.driver.subject} ({', '.join(found.driver_images)})",
        ", ".join(found.executor_images),
        report,
    )


def _record(proven: Iterable[Evidence]) -> None:
    outcomes = evidence.together(proven)
    for outcome in outcomes:
        evidence.record(outcome)
    if names := dict.fromkeys(outcome.image for outcome in outcomes):
        told.note(f"recorded the part parity of {', '.join(names)}")


def _proven(
    pair: tuple[ImageIdentity, ImageIdentity], report: Report, seconds: float, *, own: bool
) -> tuple[Evidence, ...]:
    """Return what was found of images at the ends of the family's edges; others are none of it.

    Two images that were named and disagree say nothing about either: only a failure of the
    family's `own` pair, as it is built, counts against it. What a hub serves is not held to it: the
    outcome is the hub's.
    """
    names = [image.labels.get(f"{plan.LABEL}.image", "") for image in pair]
    kinds = [edge.kind for edge in images.load().edges if list(edge[1:]) == names]
    if report.table not in [TABLES[kind] for kind in kinds] or not (own or report.holds):
        return ()
    first, second = evidence_of(names, [image.digest for image in pair], report, seconds)
    if report.table is TABLES[DRIVES]:
        return first, second
    of_stack = f"{names[1]}:{pair[1].labels.get(f'{plan.LABEL}.stack', '')}"
    return (dataclasses.replace(first, beside={of_stack: second.digest}),)


def evidence_of(
    names: list[str], digests: list[str], report: Report, seconds: float
) -> tuple[Evidence, Evidence]:
    """Return what a report proves of a driver's image and of an executors'."""
    checkout = git.known()
    rows = tuple(
        ParityRow(
            row.name, row.driver, row.executors, row.verdict.value, row.policy is MUST, row.why
        )
        for row in report.rows
    )
    driver = Evidence(
        digest=digests[0],
        image=names[0],
        part="parity",
        passed=len(report.rows) - len(report.failures),
        failed=len(report.failures),
        skipped=0,
        seconds=round(seconds, 1),
        at=evidence.now(),
        revision=checkout.revision if checkout else "",
        dirty=checkout.dirty if checkout else False,
        failures=tuple(row.name for row in report.failures),
        beside={names[1]: digests[1]},
        parity=rows,
    )
    beside = {names[0]: digests[0]}
    return driver, dataclasses.replace(driver, digest=digests[1], image=names[1], beside=beside)
