# Sourced by Spark's own scripts before anything of Spark starts, and by nothing else: composes its
# configuration (compose.py says from what) and makes it the one that counts. A message on stderr
# and an exit code is all that is left where it cannot work.
composed=$("${PYSPARK_PYTHON:-python3}" -I -S /etc/spark/compose.py "$@") || exit $?
while IFS='=' read -r name value; do
    if [ -n "$value" ]; then export "$name=$value"; else unset "$name"; fi
done <<<"$composed"
unset composed name value
