package org.apache.spark.sparkyard

import java.io.IOException
import java.util.concurrent.{CompletableFuture, ExecutionException, TimeUnit, TimeoutException}
import javax.net.ssl.SSLException

import scala.annotation.tailrec
import scala.util.Try
import scala.util.control.NonFatal

import io.fabric8.kubernetes.api.model.Pod
import io.fabric8.kubernetes.api.model.authorization.v1.SelfSubjectAccessReviewBuilder
import io.fabric8.kubernetes.client.{KubernetesClient, KubernetesClientException}
import io.fabric8.kubernetes.client.{NamespacedKubernetesClient, RequestConfigBuilder}
import org.slf4j.LoggerFactory

/** Would the API server take an executor's pod from us now? A dry run asks, and makes nothing. */
class SessionCheck(
    client: KubernetesClient,
    pod: Pod,
    currentPlace: () => Place,
    needsConfigMap: Boolean) {
  private val log = LoggerFactory.getLogger(classOf[ExecutorWatch])

  /** Throws CannotWork where waiting is of no use. */
  def atStart(): Unit = ask(rightsToo = true) match {
    case Answer.Accepted =>
    case Answer.Doubt(message) => log.warn(message)
    case Answer.Refusal(message) => throw new CannotWork(message)
    case Answer.Silence(message) => throw new CannotWork(message)
  }

  /** @param rightsToo asks as well for what Spark does besides making pods */
  def ask(rightsToo: Boolean = false): Answer = {
    val place = currentPlace()
    val answer = CompletableFuture.supplyAsync[Answer](() => dryRun(place, rightsToo))
    try answer.get(SessionCheck.Seconds, TimeUnit.SECONDS)
    catch {
      case _: TimeoutException =>
        Messages.unreachable(place, s"no answer within ${SessionCheck.Seconds} s")
      case error: ExecutionException => Messages.unasked(place, error.getCause.toString)
    }
  }

  private def dryRun(place: Place, rightsToo: Boolean): Answer =
    try {
      patient.pods().inNamespace(place.namespace).resource(pod).dryRun().create()
      val missing = if (rightsToo) Try(missingRights(place)).getOrElse(Nil) else Nil
      if (missing.isEmpty) Answer.Accepted else Messages.noRights(place, missing)
    } catch {
      case error: KubernetesClientException if error.getCode > 0 =>
        val said = Option(error.getStatus).flatMap(status => Option(status.getMessage))
        Messages.refusal(place, error.getCode, said.getOrElse(""))
      case NonFatal(error) =>
        SessionCheck.connection(error)
          .fold(Messages.unasked(place, error.toString)) {
            case tls: SSLException => Messages.untrusted(place, tls.getMessage)
            case io =>
              Messages.unreachable(place, s"${io.getClass.getSimpleName}: ${io.getMessage}")
          }
    }

  private def missingRights(place: Place): Seq[(String, String)] = {
    val onPods = Seq("list" -> "pods", "watch" -> "pods")
    val onConfigMaps = if (needsConfigMap) Seq("create" -> "configmaps") else Nil
    (onPods ++ onConfigMaps).filterNot { case (verb, resource) =>
      val question = new SelfSubjectAccessReviewBuilder()
        .withNewSpec().withNewResourceAttributes()
        .withNamespace(place.namespace).withVerb(verb).withResource(resource)
        .endResourceAttributes().endSpec().build()
      client.authorization().v1().selfSubjectAccessReview().create(question).getStatus.getAllowed
    }
  }

  /** Spark's client tries ten times, in 100 s: this one three times more, in 7 s. */
  private def patient: NamespacedKubernetesClient =
    client
      .newClient(
        new RequestConfigBuilder(client.getConfiguration.getRequestConfig)
          .withRequestRetryBackoffLimit(3).withRequestRetryBackoffInterval(1000).build())
      .adapt(classOf[NamespacedKubernetesClient])
}

object SessionCheck {
  private val Seconds = 15L

  /** The innermost failure of the connection: the outer ones only say that there was one. */
  @tailrec
  private def connection(error: Throwable, found: Option[IOException] = None): Option[IOException] =
    error match {
      case null => found
      case io: IOException => connection(io.getCause, Some(io))
      case other => connection(other.getCause, found)
    }
}
