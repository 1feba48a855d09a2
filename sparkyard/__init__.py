"""Sparkyard builds, proves and releases a family of JupyterHub and Apache Spark images."""

from sparkyard import bootstrap

bootstrap.check_python()  # before a module is imported that an older one has not
