package org.apache.spark.sparkyard

/** Has a person read this below the cell that runs? A trouble is told again for each new job. */
class Told {
  private var said = Map.empty[(String, String), (Int, Long)]

  /** Whether a trouble is to be told now; if so, it counts as told.
    *
    * @param key what tells it apart from others
    * @param job the newest active job
    * @param now milliseconds
    */
  def add(key: (String, String), job: Int, now: Long): Boolean = synchronized {
    val anew = said.get(key).forall { case (of, at) => job > of && now - at >= Told.Again }
    if (anew) said += key -> (job -> now)
    anew
  }
}

object Told {
  // A cell may run many short jobs, one after the other.
  private val Again = 20000L
}
