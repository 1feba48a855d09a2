"""Who are we to a mirror? The user and password in its URL, or those of ~/.netrc for its host.

A URL has them percent-encoded. Tools that read them so get the URL as it is; apt, Maven and urllib,
which do not, get them apart from it.
"""

from __future__ import annotations

import netrc
import ssl
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from sparkyard.errors import SettingsError


@dataclass(frozen=True)
class Mirror:
    """A mirror's URL without user and password, and these in plain text, or empty."""

    url: str
    user: str = ""
    password: str = field(default="", repr=False)


def split(url: str) -> Mirror:
    """Return the parts of a mirror's URL."""
    parts = urlsplit(url)
    before, _, place = parts.netloc.rpartition("@")
    user, _, password = before.partition(":")
    return Mirror(urlunsplit(parts._replace(netloc=place)), unquote(user), unquote(password))


def known(environment: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return the user and password of each host that $NETRC, or else ~/.netrc, names.

    Its entry `default` is passed over: a mirror is not told what is meant for any other host.

    Raises:
        SettingsError: the file cannot be read as one, or NETRC names none.
    """
    home = environment.get("HOME")
    named = environment.get("NETRC") or (f"{home}/.netrc" if home else "")
    if environment.get("NETRC") and not Path(named).is_file():
        raise SettingsError(
            f"The variable NETRC names {named}, which is no file.", "Unset NETRC, or correct it."
        )
    if not named or not Path(named).is_file():
        return {}
    try:
        hosts = netrc.netrc(named).hosts
    except (netrc.NetrcParseError, UnicodeDecodeError) as error:
        line = f" near line {error.lineno}" if isinstance(error, netrc.NetrcParseError) else ""
        raise SettingsError(
            f"{named} cannot be read{line}: it is not in the format of netrc.",
            "Mend it, or set NETRC to another file.",
        ) from None  # the cause may quote a password
    return {name: (user, password) for name, (user, _, password) in hosts.items()}


def with_login(url: str, hosts: Mapping[str, tuple[str, str]]) -> str:
    """Return a mirror's URL with its host's user and password, unless it has some."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if "@" in parts.netloc or host not in hosts or host == "default":
        return url
    pair = ":".join(quote(part or "", safe="") for part in hosts[host])
    return urlunsplit(parts._replace(netloc=f"{pair}@{parts.netloc}"))


def opener(mirror: Mirror, tls: ssl.SSLContext) -> urllib.request.OpenerDirector:
    """Return what asks a mirror as its user; a redirect takes no password to another host."""
    users = urllib.request.HTTPPasswordMgrWithPriorAuth()
    if mirror.user:
        parts = urlsplit(mirror.url)
        root = f"{parts.scheme}://{parts.netloc}/"
        users.add_password(None, root, mirror.user, mirror.password, is_authenticated=True)
    return urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=tls), urllib.request.HTTPBasicAuthHandler(users)
    )


def apt_auth(urls: Iterable[str]) -> str:
    """Return the lines of an auth.conf of apt's for mirrors.

    apt decodes what stands in a URL, and then takes a / or @ of the password for a part of the URL.
    """
    mirrors = [mirror for url in urls if (mirror := split(url)).user]
    return "".join(f"machine {m.url} login {m.user} password {m.password}\n" for m in mirrors)
