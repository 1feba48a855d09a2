package org.apache.spark.sparkyard

/** What keeps an executor from coming, or ended it?
  *
  * @param kind    one word of the kind: `image`, `memory`, ...
  * @param cause   what tells two troubles of a kind apart; it names no pod
  * @param message for the notebook: what happened, and which setting is about it
  * @param lasting waiting does not heal it: somebody has to change something
  */
case class Trouble(kind: String, cause: String, message: String, lasting: Boolean) {
  def key: (String, String) = (kind, cause)
}
