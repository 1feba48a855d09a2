package org.apache.spark.sparkyard

import scala.collection.JavaConverters._
import scala.util.Try

import io.fabric8.kubernetes.api.model.Pod
import io.fabric8.kubernetes.client.KubernetesClient

/** Why do containers stay in creation? A volume that cannot be mounted is told by events alone. */
class SlowStarts(client: KubernetesClient) {
  private var since = Map.empty[String, Long]
  private var asked = 0L
  private var found = Option.empty[Trouble]

  /** Asks for the events of one slow pod, every few seconds. Empty where we may not read events. */
  def troubles(pods: List[Pod]): List[Trouble] = {
    val now = System.currentTimeMillis()
    val creating = pods.filter(Messages.inCreation).map(_.getMetadata.getName)
    since = creating.map(name => name -> since.getOrElse(name, now)).toMap
    since.collectFirst { case (name, first) if now - first >= SlowStarts.Slow => name } match {
      case None => found = None
      case Some(pod) if now - asked >= SlowStarts.Again =>
        asked = now
        found = Try(events(pod)).toOption.flatMap(Messages.ofEvents)
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
}
