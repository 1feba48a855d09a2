"""Which native libraries of Spark's jars are to be found without being unpacked?

Java unpacks them into its temporary directory, and loads none from there if that is mounted noexec.
Without the codecs no shuffle is written and no Parquet is read: they go where Java looks first.
"""

import platform
import sys
import zipfile
from pathlib import Path

LIBRARIES = {
    "snappy-java": "org/xerial/snappy/native/Linux/{snappy}/libsnappyjava.so",
    "zstd-jni": "linux/{java}/libzstd-jni-*.so",
    "lz4-java": "net/jpountz/util/linux/{java}/liblz4-java.so",
}
"""Where a jar has its library; the name of zstd-jni's has the version."""
ARCHITECTURES = {
    "x86_64": {"snappy": "x86_64", "java": "amd64"},
    "aarch64": {"snappy": "aarch64", "java": "aarch64"},
}


def unpack(jars: Path, into: Path) -> None:
    """Write the libraries for this machine."""
    into.mkdir(parents=True)
    for name, place in LIBRARIES.items():
        (jar,) = jars.glob(f"{name}-[0-9]*.jar")
        pattern = place.format(**ARCHITECTURES[platform.machine()])
        with zipfile.ZipFile(jar) as archive:
            (member,) = (each for each in archive.namelist() if Path(each).match(pattern))
            (into / Path(member).name).write_bytes(archive.read(member))


if __name__ == "__main__":
    unpack(Path(sys.argv[1]), Path(sys.argv[2]))
