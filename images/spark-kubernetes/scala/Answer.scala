package org.apache.spark.sparkyard

/** What did the API server say to a trial of an executor's pod? */
sealed trait Answer

object Answer {
  case object Accepted extends Answer

  /** It may become possible, or could not be asked: the session goes on. */
  case class Doubt(message: String) extends Answer

  /** No executor can come until somebody changes something. */
  case class Refusal(message: String) extends Answer

  /** Nobody answered: a session does not begin so, and one that runs waits for it to pass. */
  case class Silence(message: String) extends Answer
}
