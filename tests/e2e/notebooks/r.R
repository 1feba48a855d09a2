# %% session
library(reticulate)
k <- as.integer(Sys.getenv("TEST_NUMBER"))
sql <- import("pyspark.sql")
spark <- sql$SparkSession$builder$appName("R notebook")$getOrCreate()
cat(sprintf('"%s"', spark$sparkContext$master))

# %% job
rows <- spark$range(1000L)$selectExpr(sprintf("sum(id * %d) AS total", k))$collect()
cat(sprintf("[%.0f]", rows[[1]]$total))

# %% python function on executors
py_run_string("
import socket, time
k = r.k
def located(n):
    time.sleep(0.2)
    return (socket.gethostname(), n * k)
")
pairs <- spark$sparkContext$parallelize(1:20, 10L)$map(py$located)$collect()
hosts <- unique(vapply(pairs, function(pair) pair[[1]], ""))
total <- sum(vapply(pairs, function(pair) as.numeric(pair[[2]]), 0))
cat(sprintf('{"hosts": %d, "total": %.0f}', length(hosts), total))

# %% data frame
frame <- spark$range(10L)$selectExpr("id", sprintf("id * %d AS n", k))$toPandas()
cat(sprintf('{"class": "%s", "rows": %d, "sum": %.0f}', class(frame)[1], nrow(frame), sum(frame$n)))
spark$stop()
