package org.apache.spark.sparkyard

import java.util.concurrent.{ConcurrentHashMap, Executors, ScheduledExecutorService, TimeUnit}

import scala.jdk.CollectionConverters._

import io.fabric8.kubernetes.api.model.Pod
import io.fabric8.kubernetes.client.KubernetesClient
import io.fabric8.kubernetes.client.informers.{ResourceEventHandler, SharedIndexInformer}
import org.apache.spark.SparkContext
import org.slf4j.LoggerFactory

/** What happens to the pods of this application's executors, and what is told and done about it?
  *
  * Spark deletes the pod of a failed executor at once, so its end is seen in a watch or never.
  */
class PodWatch(
    sc: SparkContext,
    client: KubernetesClient,
    check: SessionCheck,
    jobs: WaitingJobs,
    applicationId: String)
    extends ResourceEventHandler[Pod] {
  private val log = LoggerFactory.getLogger(classOf[ExecutorWatch])
  private val told = new Told
  private val ended = ConcurrentHashMap.newKeySet[String]()
  private val seconds = sc.conf.getTimeAsSeconds("spark.sparkyard.executors.patience", "20s")
  private val patience = new Patience(seconds * 1000)
  private val mounts = new SlowStarts(client)
  // How many executors Spark is asking for under dynamic allocation, its own counter alone knows.
  private val later = new LaterChecks(
    check, jobs,
    if (sc.conf.getBoolean("spark.dynamicAllocation.enabled", defaultValue = false)) 1
    else sc.conf.getInt("spark.executor.instances", 2))
  private val timer: ScheduledExecutorService = Executors.newSingleThreadScheduledExecutor { body =>
    val thread = new Thread(body, "sparkyard-executor-watch")
    thread.setDaemon(true)
    thread
  }
  private val informer: SharedIndexInformer[Pod] = client.pods()
    .inNamespace(client.getConfiguration.getNamespace)
    .withLabel("spark-app-selector", applicationId)
    .withLabel("spark-role", "executor")
    .runnableInformer(0)
    .exceptionHandler { (_, error) =>
      log.debug("The watch over executors was interrupted.", error)
      true // Whatever ended it, an API server that comes back is watched again.
    }

  def start(): Unit = {
    informer.addEventHandler(this)
    informer.start()
    timer.scheduleWithFixedDelay(
      () => Quietly("a look at the pods")(tick()), 1, 1, TimeUnit.SECONDS)
  }

  def stop(): Unit = {
    timer.shutdownNow()
    informer.stop()
  }

  override def onAdd(pod: Pod): Unit = look(pod)

  override def onUpdate(before: Pod, pod: Pod): Unit = look(pod)

  override def onDelete(pod: Pod, stateIsOld: Boolean): Unit = if (!stateIsOld) look(pod)

  private def look(pod: Pod): Unit = Quietly("a pod") {
    if (!sc.isStopped) Messages.ofPod(pod).foreach { trouble =>
      // An end counts once: a pod that is kept says nothing new, and neither does one that goes.
      val counts = if (Messages.hasEnded(pod)) ended.add(name(pod)) else !leaving(pod)
      if (counts) count(trouble)
      tell(trouble)
    }
  }

  private def tick(): Unit = if (!sc.isStopped) {
    val pods = informer.getStore.list().asScala.toList.filterNot(Messages.hasEnded)
    val coming = if (jobs.alone.isEmpty) Nil else pods.filterNot(leaving)
    val found = coming.flatMap(pod => Messages.ofPod(pod)) ++ mounts.troubles(coming) ++
      later.trouble(pods.size)
    found.foreach(count)
    endHopeless()
    found.foreach(tell)
  }

  private def count(trouble: Trouble): Unit =
    jobs.alone.foreach(patience.seen(trouble, System.currentTimeMillis(), _))

  private def tell(trouble: Trouble): Unit =
    if (told.add(trouble.key, jobs.newest, System.currentTimeMillis())) {
      if (trouble.lasting) log.error(trouble.message) else log.warn(trouble.message)
    }

  /** Without an executor every active job waits for one. */
  private def endHopeless(): Unit = {
    val now = System.currentTimeMillis()
    for {
      alone <- jobs.alone
      (job, began) <- jobs.active
      trouble <- patience.exhausted(now, alone, began)
    } {
      told.add(trouble.key, jobs.newest, now) // by the job's own end
      sc.cancelJob(job, Messages.reason(trouble))
    }
  }

  private def name(pod: Pod): String = pod.getMetadata.getName

  private def leaving(pod: Pod): Boolean = pod.getMetadata.getDeletionTimestamp != null
}
