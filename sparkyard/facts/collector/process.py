"""Which account and which limits does a process of this machine's user have?"""

from __future__ import annotations

import grp
import os
import pwd
import resource
from collections.abc import Mapping

_LIMITS = {
    "address space": resource.RLIMIT_AS,
    "core file": resource.RLIMIT_CORE,
    "processor time": resource.RLIMIT_CPU,
    "data": resource.RLIMIT_DATA,
    "file size": resource.RLIMIT_FSIZE,
    "locked memory": resource.RLIMIT_MEMLOCK,
    "open files": resource.RLIMIT_NOFILE,
    "processes": resource.RLIMIT_NPROC,
    "stack": resource.RLIMIT_STACK,
}


def process_facts(env: Mapping[str, str]) -> dict[str, str]:
    """Return what a job feels of its account and its limits, by name."""
    uid = os.getuid()
    try:
        entry = pwd.getpwuid(uid)
        name, group, passwd_home = entry.pw_name, str(entry.pw_gid), entry.pw_dir
    except KeyError:
        name, group, passwd_home = "no entry in /etc/passwd", "none", "none"
    mask = os.umask(0)
    os.umask(mask)
    home, temporary = env.get("HOME", ""), env.get("TMPDIR") or "/tmp"  # noqa: S108
    written = {
        "account's name": name,
        "account's group": group,
        "account's home": _place(passwd_home, temporary),
        "HOME": _place(home, temporary) or "unset",
        "umask": f"{mask:03o}",
        "working directory": os.getcwd(),
        "groups": " ".join(sorted({_group(gid) for gid in (os.getgid(), *os.getgroups())})),
        "groups of the account": " ".join(_groups_of(name)) or "none",
    }
    for what, limit in _LIMITS.items():
        soft, _ = resource.getrlimit(limit)
        written[f"limit of {what}"] = "none" if soft == resource.RLIM_INFINITY else str(soft)
    for what, path in {
        "HOME": home,
        "the working directory": os.getcwd(),
        "/tmp": "/tmp",  # noqa: S108
        "the temporary directory": temporary,
    }.items():
        rights = f"{os.stat(path).st_mode & 0o7777:o}" if os.path.isdir(path) else "not there"
        written[f"{what} is writable"] = "yes" if os.access(path, os.W_OK | os.X_OK) else rights
    return written


def _place(home: str, temporary: str) -> str:
    """Return a home; one that the entrypoint has just made has another name each time."""
    made = os.path.join(temporary, "names.")
    return f"{made}*" if home.startswith(made) else home


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _groups_of(name: str) -> list[str]:
    return sorted(group.gr_name for group in grp.getgrall() if name in group.gr_mem)
