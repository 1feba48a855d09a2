# %% interrupts
library(reticulate)
sql <- import("pyspark.sql")
spark <- sql$SparkSession$builder$appName("R notebook")$getOrCreate()
py_run_string("
import threading, time
from pathlib import Path
def interrupt_when_it_runs(tracker):
    def watch():
        while not any(tracker.getStageInfo(stage).numActiveTasks for stage in tracker.getActiveStageIds()):
            time.sleep(0.1)
        Path('/tmp/interrupt-this-cell').touch()
    threading.Thread(target=watch).start()
def interrupt_soon():
    def later():
        time.sleep(1)
        Path('/tmp/interrupt-this-cell').touch()
    threading.Thread(target=later).start()
")
tracker <- spark$sparkContext$statusTracker()
sleep <- "SELECT reflect('java.lang.Thread', 'sleep', 120000L)"
after <- function() {
  counted <- spark$range(5L)$count()
  for (wait in 1:50) { # the tracker hears of a job's end a moment later
    if (length(tracker$getActiveJobsIds()) == 0) break
    Sys.sleep(0.1)
  }
  cat(sprintf('{"counted": %.0f, "active": %d}', counted, length(tracker$getActiveJobsIds())))
}

# %% interrupted r collect
py$interrupt_when_it_runs(tracker)
rows <- spark$sql(sleep)$collect()

# %% after r collect
after()

# %% interrupted r data frame
py$interrupt_when_it_runs(tracker)
frame <- spark$sql(sleep)$toPandas()

# %% after r data frame
after()

# %% interrupted r stream
py$interrupt_when_it_runs(tracker)
rates <- spark$readStream$format("rate")$load()
query <- rates$selectExpr("value", sub("SELECT ", "", sleep))$writeStream$format("noop")$start()
query$awaitTermination()

# %% after r stream
after()

# %% interrupted r alone
py$interrupt_soon()
Sys.sleep(120)

# %% after r alone
after()
