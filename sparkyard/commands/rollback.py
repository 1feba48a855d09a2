"""Return a channel to the release that it named before: -- stable.

A rollback that was interrupted is completed by the same command, unless its last tag had moved
already.
"""

from __future__ import annotations

from sparkyard import commands, console
from sparkyard.plan import plan
from sparkyard.release import channel, releases, releasing
from sparkyard.release.releasing import Desk


def main(argv: list[str]) -> int:
    """Move a channel one step back; the releases and their records stay as they are.

    Raises:
        ReleaseHistoryError: the channel never named another release.
        ReleaseInProgressError: somebody else is publishing.
    """
    parser = commands.parser("rollback", __doc__)
    parser.add_argument("channel", help="the channel: stable, latest")
    parser.add_argument(
        "--take-over", action="store_true", help="take over from a command that died"
    )
    chosen = parser.parse_args(argv)
    name = channel.check_name(chosen.channel)
    place = releases.place(plan.site(), start=True)
    moved = releasing.rollback(Desk(place, console.note, chosen.take_over), name)
    if moved.completed:
        print(f"{name}: completed the interrupted rollback to {moved.after}")
    else:
        print(f"{name}: {moved.before} -> {moved.after}")
    return 0
