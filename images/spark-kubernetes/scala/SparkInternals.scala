package org.apache.spark.sparkyard

import java.io.File

import io.fabric8.kubernetes.api.model.{Pod, PodBuilder}
import io.fabric8.kubernetes.client.{Config, KubernetesClient}
import org.apache.spark.{SparkContext, SparkEnv}
import org.apache.spark.deploy.k8s.{KubernetesConf, KubernetesUtils, SparkKubernetesClientFactory}
import org.apache.spark.deploy.k8s.SparkKubernetesClientFactory.ClientType
import org.apache.spark.resource.ResourceProfile
import org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBuilder

/** What of Spark's own, not promised by it, does the watch stand on?
  *
  * All of that is here: another line of Spark changes this file alone.
  */
object SparkInternals {

  /** A client of our own, made as KubernetesClusterManager makes Spark's. */
  def client(sc: SparkContext): KubernetesClient = {
    val conf = sc.conf
    val inDriversPod = conf.getBoolean("spark.kubernetes.submitInDriver", defaultValue = false)
    SparkKubernetesClientFactory.createKubernetesClient(
      if (inDriversPod) conf.get("spark.kubernetes.driver.master", "https://kubernetes.default.svc")
      else KubernetesUtils.parseMasterUrl(sc.master),
      Some(conf.get("spark.kubernetes.namespace", "default")),
      if (inDriversPod) "spark.kubernetes.authenticate.driver.mounted"
      else "spark.kubernetes.authenticate",
      ClientType.Driver,
      conf,
      if (inDriversPod) Some(new File(Config.KUBERNETES_SERVICE_ACCOUNT_CA_CRT_PATH)) else None)
  }

  /** The one that the driver listens on: Spark writes it over the one that was asked for. */
  def driverPort(sc: SparkContext): Int = sc.conf.getInt("spark.driver.port", 0)

  /** The one that the driver's block manager listens on, once a scheduler has given it its name. */
  def blockManagerPort(): Int = SparkEnv.get.blockManager.blockManagerId.port

  /** Executors get the driver's settings: one without this class would die of its name. */
  def keepFromExecutors(sc: SparkContext): Unit = {
    val names = sc.conf.get("spark.plugins", "").split(',').map(_.trim)
    sc.conf.set("spark.plugins", names.filterNot(_ == classOf[ExecutorWatch].getName).mkString(","))
  }

  /** The pod that Spark would make for an executor now. Throws what Spark would throw. */
  def executorPod(sc: SparkContext, client: KubernetesClient): Pod = {
    val conf = KubernetesConf.createExecutorConf(sc.conf, "1", "session-check", None)
    val made = new KubernetesExecutorBuilder()
      .buildFromFeatures(
        conf,
        sc.env.securityManager,
        client,
        // Not the manager's: Spark 4 makes that one after its plugins.
        ResourceProfile.getOrCreateDefaultProfile(sc.conf))
      .pod
    new PodBuilder(made.pod).editSpec().addToContainers(made.container).endSpec().build()
  }
}
