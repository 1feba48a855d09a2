package org.apache.spark.sparkyard

import java.util.{Collections, Map => JavaMap}

import scala.util.control.NonFatal

import io.fabric8.kubernetes.client.KubernetesClient
import org.apache.spark.SparkContext
import org.apache.spark.api.plugin.{DriverPlugin, PluginContext}

/** When does the watch begin and end? With the session, where the master is a Kubernetes. */
class WatchDriver extends DriverPlugin {
  private var session: Option[KubernetesClient] = None
  private var ports: Option[DriverPorts] = None
  @volatile private var watch: Option[PodWatch] = None

  /** Runs before the scheduler starts. Throws what the session's maker is to see. */
  override def init(sc: SparkContext, context: PluginContext): JavaMap[String, String] = {
    SparkInternals.keepFromExecutors(sc)
    if (sc.master.startsWith("k8s://")) {
      val driverPorts = new DriverPorts(sc)
      ports = Some(driverPorts)
      onThisSpark("asking Kubernetes") {
        driverPorts.atStart()
        begin(sc)
      }
    }
    Collections.emptyMap()
  }

  /** Runs when all of the session is there, up to 30 s after its executors were asked for. */
  override def registerMetrics(applicationId: String, context: PluginContext): Unit =
    onThisSpark("looking at ports")(ports.foreach(_.atEnd()))

  /** Another Spark than the one this was compiled against is no reason to refuse a session. */
  private def onThisSpark(step: String)(body: => Unit): Unit =
    try body
    catch { case error: LinkageError => Quietly(step)(throw new IllegalStateException(error)) }

  private def begin(sc: SparkContext): Unit = {
    val client = told(SparkInternals.client(sc))
    try {
      val pod = told(SparkInternals.executorPod(sc, client))
      val needsConfigMap =
        !sc.conf.getBoolean("spark.kubernetes.executor.disableConfigMap", defaultValue = false)
      val check = new SessionCheck(client, pod, () => place(client), needsConfigMap)
      check.atStart()
      val jobs = new WaitingJobs
      sc.addSparkListener(jobs)
      sc.addSparkListener(new LostWorkers(pod, jobs))
      sc.addSparkListener(new AtApplicationStart({ applicationId =>
        val started = new PodWatch(sc, client, check, jobs, applicationId)
        watch = Some(started)
        started.start()
      }))
      session = Some(client)
    } finally if (session.isEmpty) client.close()
  }

  /** What Spark itself would throw later, where nobody sees it. */
  private def told[A](made: => A): A =
    try made
    catch { case NonFatal(error) => throw new CannotWork(Messages.undescribed(error)) }

  override def shutdown(): Unit = {
    watch.foreach(each => Quietly("ending the watch")(each.stop()))
    session.foreach(client => Quietly("closing the client")(client.close()))
  }

  private def place(client: KubernetesClient): Place = {
    val settings = client.getConfiguration
    val token = Option(settings.getOauthToken).orElse(Option(settings.getAutoOAuthToken))
      .flatMap(Token.of)
    val context = Option(settings.getCurrentContext).flatMap(named => Option(named.getContext))
    Place(
      api = settings.getMasterUrl,
      namespace = settings.getNamespace,
      user = token.flatMap(_.user).orElse(context.map(_.getUser)),
      expired = token.flatMap(_.expired(System.currentTimeMillis())))
  }
}
