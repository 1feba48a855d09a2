"""Which errors can a person meet, what does each ask of them, and with which exit code?

Every class has an exit code of its own, so that a script can tell the cases apart. The codes are
part of the interface: they are listed in docs/exit-codes.md and never change their meaning.
"""

from __future__ import annotations

from typing import ClassVar


class SparkyardError(Exception):
    """A failure with its cause and its remedy, shown to a person without a traceback.

    Attributes:
        what: what happened and where, one or two sentences.
        remedy: what the person can do about it.
        detail: optional lines of evidence (the end of a log), printed before the message.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, remedy: str, *, detail: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy
        self.detail = detail


class MalformedFileError(SparkyardError):
    """A configuration file cannot be read as what it should be."""

    exit_code = 10


class UnknownNameError(SparkyardError):
    """An image, stack, group or session of that name does not exist."""

    exit_code = 11


class ImageGraphError(SparkyardError):
    """images.toml describes a family that cannot be built: a cycle or an unknown parent."""

    exit_code = 12


class StaleLockError(SparkyardError):
    """A lock, or a file exported from it, does not belong to its declaration."""

    exit_code = 13


class HashMismatchError(SparkyardError):
    """A fetched file is not the one that the lock names."""

    exit_code = 14


class JarConflictError(SparkyardError):
    """The jars do not fit in one JVM: two versions, another Hadoop, too new classes."""

    exit_code = 15


class SettingsError(SparkyardError):
    """A setting has a value that cannot be used."""

    exit_code = 16


class FileAccessError(SparkyardError):
    """A file of this machine cannot be read or written."""

    exit_code = 17


class OutdatedLocksError(SparkyardError):
    """Locks would change if they were made now; nothing is wrong with them as they are."""

    exit_code = 18


class EngineMissingError(SparkyardError):
    """No container engine answers."""

    exit_code = 20


class EngineTooOldError(SparkyardError):
    """The container engine is older than what the builds need."""

    exit_code = 21


class ClassicStoreError(SparkyardError):
    """The engine keeps images in its classic store, where shared layers are not shared."""

    exit_code = 22


class BuildxMissingError(SparkyardError):
    """The engine's client has no buildx plugin, or its builder is not the engine's own."""

    exit_code = 23


class BuildFailedError(SparkyardError):
    """A build step failed for a reason of its own."""

    exit_code = 30


class DiskFullError(SparkyardError):
    """The disk under the engine or the checkout is full."""

    exit_code = 31


class NetworkError(SparkyardError):
    """A host could not be reached at all."""

    exit_code = 32


class CertificateError(SparkyardError):
    """A host presented a certificate that the CA bundle does not vouch for."""

    exit_code = 33


class MirrorError(SparkyardError):
    """A host answered, but not with the file that was asked for."""

    exit_code = 34


class BusyError(SparkyardError):
    """Another command changed the same files meanwhile."""

    exit_code = 35


class ImageMissingError(SparkyardError):
    """An image that was asked for is neither in the engine nor in a registry that answers."""

    exit_code = 36


class ParityError(SparkyardError):
    """The driver and the executors disagree where they must agree."""

    exit_code = 40


class InspectionError(SparkyardError):
    """An image could not be looked into."""

    exit_code = 41


class TestsFailedError(SparkyardError):
    """At least one test failed."""

    exit_code = 42


class LintError(SparkyardError):
    """The checkout breaks a rule that is checked."""

    exit_code = 43


class CommandFailedError(SparkyardError):
    """A command that Sparkyard started exited with a failure."""

    exit_code = 50


class GitError(SparkyardError):
    """The checkout's git cannot answer what a release must know, or is not in the right state."""

    exit_code = 60


class DirtyTreeError(SparkyardError):
    """The checkout has changes that no commit holds."""

    exit_code = 61


class VersionError(SparkyardError):
    """A version is not semantic, or not above the last one released."""

    exit_code = 62


class EvidenceMissingError(SparkyardError):
    """There is no evidence that an image's digest passed its tests and the parity gate."""

    exit_code = 63


class ReferenceFormatError(SparkyardError):
    """A registry, repository or tag has a name that no registry takes."""

    exit_code = 64


class SigningKeyError(SparkyardError):
    """The key that signs or verifies releases is missing, unreadable or of the wrong kind."""

    exit_code = 65


class RegistryUnreachableError(SparkyardError):
    """A registry could not be asked: what it holds is not known."""

    exit_code = 70


class RegistryAbsentError(SparkyardError):
    """A registry was asked, and says that it does not hold this."""

    exit_code = 71


class RegistryCredentialsError(SparkyardError):
    """A registry refuses the credentials, or wants some and there are none."""

    exit_code = 72


class RegistryRefusedError(SparkyardError):
    """A registry answered, but would not do what it was asked: read-only, full, over a quota."""

    exit_code = 73


class ImmutableTagError(SparkyardError):
    """A tag that never moves is taken by another digest."""

    exit_code = 74


class TagMovedError(SparkyardError):
    """Somebody else moved a tag while it was being published."""

    exit_code = 75


class ReleaseInProgressError(SparkyardError):
    """Somebody else is publishing to the same place."""

    exit_code = 76


class VerificationError(SparkyardError):
    """A release is not what its signature vouches for."""

    exit_code = 77


class NotReproducibleError(SparkyardError):
    """Two builds of the same inputs gave different images."""

    exit_code = 78


class ReleaseHistoryError(SparkyardError):
    """A channel cannot be moved as asked: its history does not lead there."""

    exit_code = 79


class ClusterNotConfiguredError(SparkyardError):
    """No kubeconfig says which cluster to ask, or the one there is cannot be used."""

    exit_code = 80


class ClusterUnreachableError(SparkyardError):
    """The API server of a cluster could not be asked."""

    exit_code = 81


class ClusterRightsError(SparkyardError):
    """The API server does not know who asks, or does not let them do this."""

    exit_code = 82


class ClusterAbsentError(SparkyardError):
    """The cluster has no such namespace, service account, pod or container."""

    exit_code = 83


class ClusterRefusedError(SparkyardError):
    """The API server would not take an object: over a quota, or against a policy."""

    exit_code = 84


class PodStartError(SparkyardError):
    """A pod did not start, or did not stay."""

    exit_code = 85


class ClusterJobError(SparkyardError):
    """A job on the cluster ran, and failed."""

    exit_code = 86


class EventLogsAbsentError(SparkyardError):
    """There is no such bucket or directory of event logs."""

    exit_code = 90


class EventLogsRefusedError(SparkyardError):
    """Event logs may not be read by who is to show them."""

    exit_code = 91


class HistoryServerError(SparkyardError):
    """Spark's history server did not start, or does not list applications."""

    exit_code = 92


INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, the shell's own convention."""
