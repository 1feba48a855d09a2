"""Sparkyard builds, proves and releases a family of JupyterHub and Apache Spark images."""
