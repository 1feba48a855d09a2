package org.apache.spark.sparkyard

import java.util.concurrent.ConcurrentHashMap

import scala.jdk.CollectionConverters._

import org.apache.spark.scheduler._

/** Which jobs are active and since when, and since when is there no executor for them? */
class WaitingJobs extends SparkListener {
  private val since = new ConcurrentHashMap[Int, Long]()
  // Names and no count: Spark also says of executors that never registered that they are removed.
  private val executors = ConcurrentHashMap.newKeySet[String]()
  @volatile private var lastThere = System.currentTimeMillis()

  /** Job id -> when it began, in milliseconds. Those of streams are not among them. */
  def active: Map[Int, Long] = since.asScala.toMap

  /** The one of the active jobs that began last; below all ids where there is none. */
  def newest: Int = active.keys.foldLeft(WaitingJobs.NoJob)(_ max _)

  /** Since when there is no executor, in milliseconds; None where there is one. */
  def alone: Option[Long] = if (executors.isEmpty) Some(lastThere) else None

  override def onJobStart(start: SparkListenerJobStart): Unit =
    if (!WaitingJobs.ofStream(start)) since.put(start.jobId, System.currentTimeMillis())

  override def onJobEnd(end: SparkListenerJobEnd): Unit = since.remove(end.jobId)

  override def onExecutorAdded(added: SparkListenerExecutorAdded): Unit =
    executors.add(added.executorId)

  override def onExecutorRemoved(removed: SparkListenerExecutorRemoved): Unit = {
    if (executors.contains(removed.executorId)) lastThere = System.currentTimeMillis()
    executors.remove(removed.executorId)
  }
}

object WaitingJobs {
  /** Stands for the session itself among the ids of jobs. */
  val NoJob: Int = -1

  // StreamExecution.QUERY_ID_KEY and JobScheduler.BATCH_TIME_PROPERTY_KEY: what streams set.
  private val marks = Seq("sql.streaming.queryId", "spark.streaming.internal.batchTime")

  private def ofStream(start: SparkListenerJobStart): Boolean =
    Option(start.properties).exists(properties => marks.exists(properties.getProperty(_) != null))
}
