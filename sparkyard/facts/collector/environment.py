"""Which variables change what a process does, and what may be written down of them?

A variable of a family is a fact; of any other its name alone is, as its value may be a secret.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Mapping

from sparkyard.facts.collector.redaction import without_secrets

FAMILIES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "loader",
        "ld.so(8)",
        ("LD_*", "GLIBC_TUNABLES"),
    ),
    (
        "C library",
        "glibc's manual: locales, zones, allocation, conversion, name service",
        (
            *("LANG", "LANGUAGE", "LC_*", "LOCPATH", "NLSPATH", "OUTPUT_CHARSET", "CHARSET"),
            *("TZ", "TZDIR", "TMPDIR", "TMP", "TEMP", "TEMPDIR", "MALLOC_*", "M_*_"),
            *("GCONV_PATH", "GETCONF_DIR", "HOSTALIASES", "LOCALDOMAIN", "RES_OPTIONS"),
            *("RESOLV_*", "POSIXLY_CORRECT", "_POSIX2_VERSION", "JEMALLOC_*", "TCMALLOC_*"),
        ),
    ),
    (
        "shell",
        "bash(1), execvp(3)",
        ("PATH", "BASH_ENV", "ENV", "SHELLOPTS", "BASHOPTS", "BASH_FUNC_*", "CDPATH", "IFS"),
    ),
    (
        "Python",
        "Python's manual, 'Environment variables', and what packages read at import",
        (
            *("PYTHON*", "__PYVENV_LAUNCHER__", "SETUPTOOLS_*", "_PYTHON_*", "PYTZ_*"),
            *(
                "COVERAGE_PROCESS_*",
                "DATEUTIL_*",
                "MPL*",
                "MATPLOTLIB*",
                "PANDAS_*",
                "NPY_*",
                "NUMPY_*",
            ),
            *("NUMBA_*", "NUMEXPR_*", "SKLEARN_*", "SCIPY_*", "JOBLIB_*", "LOKY_*", "POLARS_*"),
            *("DASK_*", "FSSPEC_*", "TORCH*", "PYTORCH_*", "TF_*", "XLA_*", "JAX_*", "KERAS_*"),
        ),
    ),
    (
        "Java",
        "the java command's manual, JVM's `Environment variables and system properties`",
        (
            *("JAVA_*", "_JAVA_*", "JDK_*", "JRE_*", "CLASSPATH", "IBM_JAVA_OPTIONS"),
            *("OPENJ9_JAVA_OPTIONS", "SCALA_*"),
        ),
    ),
    (
        "Arrow",
        "Arrow's C++ manual, 'Environment variables'",
        ("ARROW_*", "PYARROW_*", "PARQUET_*", "LIBHDFS*", "ACERO_*", "GANDIVA_*"),
    ),
    (
        "BLAS",
        "OpenBLAS, MKL, BLIS, netlib",
        (
            *("OPENBLAS_*", "GOTO_*", "MKL_*", "BLIS_*", "VECLIB_*", "ATLAS_*", "FLEXIBLAS*"),
            *("ARMPL_*", "BLAS*", "LAPACK*", "DNNL_*", "ONEDNN_*", "TBB_*"),
        ),
    ),
    (
        "OpenMP",
        "OpenMP's specification, libgomp, LLVM",
        ("OMP_*", "GOMP_*", "KMP_*", "LIBOMP*", "OMPT_*"),
    ),
    ("accelerators", "CUDA's guide", ("CUDA_*", "NVIDIA_*", "ROCR_*", "HIP_*")),
    (
        "Hadoop",
        "hadoop-env.sh, and krb5.conf(5)",
        (
            *("HADOOP_*", "HDFS_*", "YARN_*", "MAPRED_*", "HIVE_*", "HBASE_*", "KRB5*"),
            *("AWS_*", "GOOGLE_*", "GCS_*", "CLOUDSDK_*", "AZURE_*"),
        ),
    ),
    (
        "Spark",
        "spark-env.sh, PySpark's sources",
        ("SPARK_*", "PYSPARK_*", "MASTER", "PYDEVD_*"),
    ),
    (
        "network",
        "OpenSSL, curl, requests",
        (
            *("SSL_*", "OPENSSL_*", "SSLKEYLOGFILE", "REQUESTS_CA_BUNDLE", "CURL_*"),
            *("GNUTLS_*", "*_proxy", "*_PROXY", "GRPC_*", "NETRC"),
        ),
    ),
)
"""Name, source and patterns of each family, the first that fits counts."""

_NAMES_ONE = ("SPARK_EXECUTOR_ID", "SPARK_EXECUTOR_POD_NAME", "SPARK_EXECUTOR_POD_IP")
"""Variables that are another in each executor: without them, equal pods have equal facts."""

POINTERS = (
    *("LD_LIBRARY_PATH", "LD_PRELOAD", "LD_AUDIT", "LOCPATH", "TZDIR", "GCONV_PATH", "BASH_ENV"),
    *("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "PYTHONTZPATH", "PYTZ_TZDATADIR", "PATH"),
    *("JAVA_HOME", "CLASSPATH", "SPARK_DIST_CLASSPATH", "SPARK_EXTRA_CLASSPATH", "SPARK_HOME"),
    *("SPARK_CONF_DIR", "HADOOP_HOME", "HADOOP_CONF_DIR", "HADOOP_CLASSPATH", "YARN_CONF_DIR"),
    *("HIVE_CONF_DIR", "KRB5_CONFIG", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
    *("CURL_CA_BUNDLE", "OPENSSL_CONF", "OPENSSL_MODULES", "ARROW_LIBHDFS_DIR", "MATPLOTLIBRC"),
    *("AWS_CONFIG_FILE", "AWS_CA_BUNDLE", "HOSTALIASES"),
)
"""Variables whose value leads to files that a process acts on."""


def undo_coercion() -> None:
    """Give this process and its children the LC_CTYPE that it was started with.

    Python takes another one in the C locale, whatever -I says (PEP 538), and sets the variable.
    """
    try:
        with open("/proc/self/environ", encoding="utf-8", errors="surrogateescape") as file:
            given = [each for each in file.read().split("\0") if each.startswith("LC_CTYPE=")]
    except OSError:
        return
    if given:
        os.environ["LC_CTYPE"] = given[0].partition("=")[2]
    else:
        os.environ.pop("LC_CTYPE", None)


def family_of(name: str) -> str | None:
    """Return the family of a variable; None for a variable of no family."""
    for family, _, patterns in FAMILIES:
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
            return family
    return None


def of_families(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a family, with what may be shown of their values."""
    return {
        name: without_secrets(name, variables[name])
        for name in sorted(variables)
        if family_of(name) is not None and name not in _NAMES_ONE
    }


def of_no_family(env: Mapping[str, str]) -> list[str]:
    """Return the names of the other variables."""
    return sorted(name for name in env if family_of(name) is None)


def places(env: Mapping[str, str]) -> list[str]:
    """Return the absolute paths that variables lead to."""
    values = (env.get(name, "").replace(" ", os.pathsep) for name in POINTERS)
    words = (word for value in values for word in value.split(os.pathsep))
    return sorted({word.rstrip("/*") for word in words if word.startswith("/")} - {""})
