package org.apache.spark.sparkyard

import io.fabric8.kubernetes.api.model.Pod
import org.apache.spark.ExceptionFailure
import org.apache.spark.scheduler.{SparkListener, SparkListenerTaskEnd}
import org.slf4j.LoggerFactory

/** Has a Python worker been killed? Told once a job, with the setting that gives it more memory.
  *
  * @param pod what an executor is
  */
class LostWorkers(pod: Pod, jobs: WaitingJobs) extends SparkListener {
  private val log = LoggerFactory.getLogger(classOf[ExecutorWatch])
  private val told = new Told

  override def onTaskEnd(end: SparkListenerTaskEnd): Unit = end.reason match {
    case failure: ExceptionFailure if LostWorkers.is(failure) =>
      if (told.add("worker" -> "", jobs.newest, System.currentTimeMillis())) {
        log.warn(Messages.lostWorker(pod))
      }
    case _ =>
  }
}

object LostWorkers {
  // What PythonRunner says when the worker's end of the connection is closed in mid-task.
  private def is(failure: ExceptionFailure): Boolean =
    failure.description.contains("Python worker exited unexpectedly")
}
