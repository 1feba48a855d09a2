"""How does Sparkyard speak to people: errors, exit codes, notes, tables?"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence

from sparkyard.errors import INTERRUPTED, DiskFullError, FileAccessError, SparkyardError


def note(text: str) -> None:
    """Tell a person what is going on; standard output stays for results."""
    print(f"sparkyard: {text}", file=sys.stderr, flush=True)


def fail(error: SparkyardError) -> int:
    """Show an error as what happened and what to do, and return its exit code."""
    if error.detail:
        print(error.detail, file=sys.stderr)
    print(f"\nerror: {error.what}\n  fix: {error.remedy}", file=sys.stderr, flush=True)
    return error.exit_code


def exit_code(run: Callable[[list[str]], int], argv: list[str]) -> int:
    """Run a program with its words and return its exit code; its errors are shown.

    Args:
        run: what the words are for.
        argv: its words; with --verbose among them, the place of an error is shown, too.
    """
    # What follows another -- belongs to a tool that the program runs, as pytest.
    verbose = "--verbose" in (argv[: argv.index("--")] if "--" in argv else argv)
    try:
        return run(argv)
    except SparkyardError as error:
        if verbose:
            traceback.print_exc()
        return fail(error)
    except KeyboardInterrupt:
        print("\nStopped. What was finished is kept; the same command goes on.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has enough; what is left must not fail again at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if verbose:
            raise
        return fail(_explain(error))


def count(number: int, name: str) -> str:
    """Return a number with the name of what is counted, in the plural where it is not one."""
    return f"{number} {name}{'' if number == 1 else 's'}"


def some(names: Sequence[str], at_most: int = 3) -> str:
    """Return the first names of a list, and how many more there are."""
    more = len(names) - at_most
    return ", ".join(names[:at_most]) + (f" and {more} more" if more > 0 else "")


def size(octets: float) -> str:
    """Return a number of bytes in the decimal unit that registries use."""
    for unit in ("B", "kB", "MB"):
        if octets < 1000:
            return f"{octets:.0f} {unit}"
        octets /= 1000
    return f"{octets:.2f} GB"


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table; on a terminal it is fitted to its width."""
    # Rich is slow to import, and the commands that say little do without it.
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        drawn.add_column(title, overflow="fold")
    for row in rows:
        drawn.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 160, highlight=False, markup=False).print(drawn)


def _explain(error: OSError) -> SparkyardError:
    """Return what a person should read about an error of this machine's file system."""
    place = error.filename or "a file"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(
            f"The disk is full: {place} could not be written.",
            "Make room there, then run the same command again.",
        )
    return FileAccessError(
        f"{place} cannot be used: {error.strerror or error}.",
        "Give this user access to it; SPARKYARD_CACHE names another directory for what is cached.",
    )
