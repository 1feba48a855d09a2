// %% interrupts
import java.nio.file.{Files, Paths}
def interruptWhenItRuns(): Unit = {
  val tracker = sc.statusTracker
  val before = tracker.getActiveJobIds.toSet
  val watch = new Thread(() => {
    def running = tracker.getActiveJobIds.filterNot(before).flatMap(tracker.getJobInfo(_))
      .flatMap(_.stageIds).flatMap(tracker.getStageInfo(_)).exists(_.numActiveTasks > 0)
    while (!running) Thread.sleep(100)
    Files.createFile(Paths.get("/tmp/interrupt-this-cell"))
  })
  watch.start()
}
val sleep = "reflect('java.lang.Thread', 'sleep', 120000L)"
sc.version

// %% a job of an earlier cell
val ended = new java.util.concurrent.atomic.AtomicLong
val other = spark.newSession()
val earlier = new Thread(() => {
  ended.set(other.sql("SELECT reflect('java.lang.Thread', 'sleep', 20000L), 7L AS n").first.getLong(1))
})
earlier.start()
while (sc.statusTracker.getActiveJobIds.isEmpty) Thread.sleep(100)
val theirs = sc.statusTracker.getActiveJobIds.toSet
def after(): Unit = {
  val counted = spark.range(5).count()
  def active = sc.statusTracker.getActiveJobIds.filterNot(theirs).size
  for (_ <- 1 to 50 if active > 0) Thread.sleep(100) // the tracker hears of a job's end a moment later
  println(s"""{"counted": $counted, "active": $active, "others": ${earlier.isAlive}}""")
}

// %% interrupted scala sql
interruptWhenItRuns()
spark.sql("SELECT " + sleep).collect()

// %% after scala sql
after()

// %% interrupted scala rdd
interruptWhenItRuns()
sc.parallelize(0 until 2, 2).map { n => Thread.sleep(120000); n }.collect()

// %% after scala rdd
after()

// %% interrupted scala stream
interruptWhenItRuns()
val rates = spark.readStream.format("rate").load().selectExpr("value", sleep)
rates.writeStream.format("noop").start().awaitTermination()

// %% after scala stream
val running = spark.streams.active.length
println(s"""{"streams": $running, "active": ${sc.statusTracker.getActiveJobIds.filterNot(theirs).size}}""")

// %% the earlier job ends by itself
earlier.join()
println(ended.get)
