#!/bin/bash
# Run by Kubernetes before it ends an executor's pod (spark.decommission.enabled): tells the executor
# to hand over its blocks and to end by itself, and waits for that.
set -eu
executor=$(pgrep --exact --newest java) || exit 0
echo "decommissioning the executor, process ${executor}"
kill -s PWR "$executor"
tail --pid="$executor" --follow /dev/null
