"""Let a channel name a release: -- 1.4.0 stable.

Nothing is built or pushed: the channel's entry among the releases moves first, then its tags on
each image of all its stacks.
"""

from __future__ import annotations

from sparkyard import commands, console, versions
from sparkyard.plan import plan
from sparkyard.release import channel, releases, releasing
from sparkyard.release.releasing import Desk


def main(argv: list[str]) -> int:
    """Move a channel; the release and its record stay as they are.

    Raises:
        RegistryAbsentError: there is no such release, or an image of it is gone.
        ReleaseInProgressError: somebody else is publishing.
    """
    parser = commands.parser("promote", __doc__)
    parser.add_argument("version", help="a released version")
    parser.add_argument("channel", help="a word of your own: stable, staging")
    parser.add_argument(
        "--take-over", action="store_true", help="take over from a command that died"
    )
    chosen = parser.parse_args(argv)
    version = str(versions.parse(chosen.version))
    name = channel.check_name(chosen.channel)
    place = releases.place(plan.site(), start=True)
    moved = releasing.promote(Desk(place, console.note, chosen.take_over), version, name)
    print(f"{name}: {moved.before or 'nothing'} -> {moved.after}")
    return 0
