"""Make the pair of keys that signs releases and verifies them."""

from __future__ import annotations

from sparkyard import commands, console, settings
from sparkyard.release import signing_key
from sparkyard.release.signing_key import COMMITTED, PASSPHRASE


def main(argv: list[str]) -> int:
    """Make a pair, or show the one that is there; print the public key and its id.

    Raises:
        SigningKeyError: there is a pair already, or, to show, none that can be used.
    """
    parser = commands.parser("keys", __doc__)
    parser.add_argument("--show", action="store_true", help="show the public key; make nothing")
    options = parser.parse_args(argv)
    path = signing_key.signing_path(settings.load())
    key = signing_key.load(path) if options.show else signing_key.make(path)
    if not options.show and "ENCRYPTED" not in path.read_text(encoding="ascii"):
        console.note(f"the key has no passphrase; {PASSPHRASE} in the environment gives it one")
    print(f"private key  {path}")
    print(f"public key   {signing_key.beside(path)}")
    print(f"id           {key.public.id}")
    print(key.public.pem, end="")
    print(f"Commit the public key as conf/{COMMITTED.name}: releases are verified with it.")
    return 0
