# Sourced by Spark's own scripts before anything of Spark starts, and by nothing else: composes its
# configuration (compose/ says from what) and makes it the one that counts. A message on stderr
# and an exit code is all that is left where it cannot work.
#
# By the image's own Python: PYSPARK_PYTHON may be one that a session brings along, not there yet.
composed=$(/opt/venv/bin/python -I -S /etc/spark/compose "$@") || exit $?
while IFS='=' read -r name value; do
    if [ -n "$value" ]; then export "$name=$value"; else unset "$name"; fi
done <<<"$composed"
# Java and Hadoop need a user's name and home. One that `docker exec` or `kubectl exec` brings in has
# not come through the entrypoint, which gives them.
if ! getent passwd "$(id -u)" >/dev/null; then
    composed=$(TMPDIR=${SPARK_CONF_DIR%/*} /usr/local/bin/entrypoint env) || exit $?
    while IFS='=' read -r name value; do
        case "$name" in HOME | LD_PRELOAD | NSS_WRAPPER_*) export "$name=$value" ;; esac
    done <<<"$composed"
fi
unset composed name value
