package org.apache.spark.sparkyard

import scala.jdk.CollectionConverters._
import scala.util.{Failure, Success, Try}

import io.fabric8.kubernetes.api.model.Pod
import io.fabric8.kubernetes.client.KubernetesClient

/** Why do containers stay in creation? A volume that cannot be mounted is told by events alone,
  * which few accounts may read.
  */
class SlowStarts(client: KubernetesClient) {
  private var since = Map.empty[String, Long]
  private var asked = 0L
  private var found = Option.empty[Trouble]

  /** Asks for the events of one slow pod, every few seconds. */
  def troubles(pods: List[Pod]): List[Trouble] = {
    val now = System.currentTimeMillis()
    val creating = pods.filter(Messages.inCreation).map(_.getMetadata.getName)
    since = creating.map(name => name -> since.getOrElse(name, now)).toMap
    since.find { case (_, first) => now - first >= SlowStarts.Slow } match {
      case None => found = None
      case Some((pod, first)) if now - asked >= SlowStarts.Again =>
        asked = now
        found = Try(events(pod)) match {
          case Success(said) => Messages.ofEvents(said)
          case Failure(_) if now - first >= SlowStarts.VerySlow => Some(Messages.slow(pod))
          case Failure(_) => None
        }
      case _ =>
    }
    found.toList
  }

  private def events(pod: String) =
    client.v1().events()
      .inNamespace(client.getConfiguration.getNamespace)
      .withField("involvedObject.name", pod)
      .list().getItems.asScala.toList
}

object SlowStarts {
  private val Slow = 4000L
  private val Again = 5000L
  private val VerySlow = 12000L
}
