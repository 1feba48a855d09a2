package org.apache.spark.sparkyard

import java.util.concurrent.ConcurrentHashMap

import scala.util.control.NonFatal

import org.slf4j.LoggerFactory

/** What if the watch itself is wrong? That is told once of a step, and the session goes on. */
object Quietly {
  private val log = LoggerFactory.getLogger(classOf[ExecutorWatch])
  private val told = ConcurrentHashMap.newKeySet[String]()

  def apply(step: String)(body: => Unit): Unit =
    try body
    catch {
      case NonFatal(error) =>
        if (told.add(step)) {
          log.warn(s"The watch over executors failed at $step. The session goes on.", error)
        }
    }
}
