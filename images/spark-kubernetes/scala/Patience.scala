package org.apache.spark.sparkyard

/** Has a trouble lasted so long that waiting for it to pass is of no use?
  *
  * Times are in milliseconds. A trouble holds while it is seen again and again: Spark replaces a
  * failed pod, and its successor needs a while to fail the same way.
  *
  * @param patience how long a lasting trouble must hold
  */
class Patience(patience: Long) {
  private case class Span(trouble: Trouble, first: Long, last: Long)
  private var spans = Map.empty[(String, String), Span]

  def seen(trouble: Trouble, now: Long): Unit = synchronized {
    if (trouble.lasting) {
      val span = spans.get(trouble.key).filter(now - _.last <= Patience.Gap)
      spans += trouble.key -> span.fold(Span(trouble, now, now))(_.copy(last = now))
    }
  }

  /** The trouble that has held longest, if one has held long enough. */
  def exhausted(now: Long): Option[Trouble] = synchronized {
    spans.values
      .filter(span => now - span.last <= Patience.Gap && now - span.first >= patience)
      .toSeq.sortBy(_.first).headOption.map(_.trouble)
  }
}

object Patience {
  // Longer than a pod takes to be made anew and to find out that it cannot reach the driver.
  private val Gap = 30000L
}
