package org.apache.spark.sparkyard

/** Would the API server still take our pods? Asked again where they do not come.
  *
  * @param wanted fewer pods than that are too few
  */
class LaterChecks(check: SessionCheck, jobs: WaitingJobs, wanted: Int) {
  private val startedAt = System.currentTimeMillis()
  private var askedFor = Set.empty[Int]
  private var next = 0L

  /** What it says against one, if it is asked now.
    *
    * @param pods how many there are, without those that have ended
    */
  def trouble(pods: Int): Option[Trouble] = {
    val now = System.currentTimeMillis()
    val few = pods < wanted
    if ((few && forANewJob(now)) || (now >= next && starving(few, now))) {
      val answer = check.ask()
      next = System.currentTimeMillis() + (answer match {
        case Answer.Refusal(_) => LaterChecks.Refused
        case _ => LaterChecks.Otherwise
      })
      // Pods that are there may be just what a quota has no more room for.
      Messages.ofAnswer(answer).filter(few || _.lasting)
    } else None
  }

  /** Once a job, and once at the session's start: Spark has made fewer pods than it wants. */
  private def forANewJob(now: Long): Boolean = {
    val waiting = (jobs.active + (WaitingJobs.NoJob -> startedAt)).collect {
      case (job, began) if now - began >= LaterChecks.FewPods => job
    }.toSet
    val anew = waiting.diff(askedFor).nonEmpty
    askedFor = waiting
    anew
  }

  /** Does a job wait without any executor? Pods that exist are given a while to become one. */
  private def starving(few: Boolean, now: Long): Boolean = {
    val enough = if (few) LaterChecks.FewPods else LaterChecks.SlowPods
    jobs.alone.exists { alone =>
      jobs.active.values.exists(began => now - (alone max began) >= enough)
    }
  }
}

object LaterChecks {
  // Spark asks for pods once a second (spark.kubernetes.allocation.batch.delay).
  private val FewPods = 5000L
  private val SlowPods = 15000L
  // A refusal may pass soon: an API server that starts refuses those whom it does not know yet.
  private val Refused = 5000L
  private val Otherwise = 30000L
}
