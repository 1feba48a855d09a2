package org.apache.spark.sparkyard

import org.apache.spark.scheduler.{SparkListener, SparkListenerApplicationStart}

/** When has the application its name? Before Spark waits for executors: a plugin's own
  * registerMetrics comes after that wait, which is 30 s long where none come.
  */
class AtApplicationStart(begin: String => Unit) extends SparkListener {
  override def onApplicationStart(start: SparkListenerApplicationStart): Unit =
    start.appId.foreach(id => Quietly("starting the watch")(begin(id)))
}
