package org.apache.spark.sparkyard

/** Has a trouble lasted so long that waiting for it to pass is of no use?
  *
  * Times are in milliseconds. A trouble holds while it is seen again and again: Spark replaces a
  * failed pod, and its successor needs a while to fail the same way. One failure alone is certain
  * of nothing, and neither is what was seen before an executor was there: it did come.
  *
  * @param patience how long a lasting trouble must hold
  */
class Patience(patience: Long) {
  private case class Span(trouble: Trouble, first: Long, last: Long)
  private var spans = Map.empty[(String, String), Span]

  /** @param alone since when there is no executor */
  def seen(trouble: Trouble, now: Long, alone: Long): Unit = synchronized {
    if (trouble.lasting) {
      val span = spans.get(trouble.key)
        .filter(each => each.first >= alone && now - each.last <= Patience.Gap)
      spans += trouble.key -> span.fold(Span(trouble, now, now))(_.copy(last = now))
    }
  }

  /** The trouble that has held longest, if one has held long enough.
    *
    * @param alone since when there is no executor
    * @param began when the job did that waits: what was seen before it may have passed, and what is
    *   seen at once may be a pod of the job before
    */
  def exhausted(now: Long, alone: Long, began: Long): Option[Trouble] = synchronized {
    spans.values
      .filter(span => span.first >= alone && now - span.first >= patience)
      .filter(span => span.last - span.first >= patience / 2)
      .filter(span => span.last - began >= patience / 4)
      .filter(span => now - span.last <= Patience.Gap)
      .toSeq.sortBy(_.first).headOption.map(_.trouble)
  }
}

object Patience {
  // Longer than a pod takes to be made anew and to find out that it cannot reach the driver: 22 s
  // on an idle machine.
  private val Gap = 60000L
}
