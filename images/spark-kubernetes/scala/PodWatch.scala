package org.apache.spark.sparkyard

import java.util.concurrent.{ConcurrentHashMap, Executors, ScheduledExecutorService, TimeUnit}

import scala.collection.JavaConverters._

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
  private val told = ConcurrentHashMap.newKeySet[(String, String)]()
  private val startedAt = System.currentTimeMillis()
  private val askedFor = ConcurrentHashMap.newKeySet[Int]()
  private val seconds = sc.conf.getTimeAsSeconds("spark.sparkyard.executors.patience", "20s")
  private val patience = new Patience(seconds * 1000)
  private val mounts = new SlowStarts(client)
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

  private def look(pod: Pod): Unit = Quietly("a pod")(Messages.ofPod(pod).foreach(note))

  private def note(trouble: Trouble): Unit = if (!sc.isStopped) {
    patience.seen(trouble, System.currentTimeMillis())
    if (told.add(trouble.key)) {
      if (trouble.lasting) log.error(trouble.message) else log.warn(trouble.message)
    }
  }

  private def tick(): Unit = if (!sc.isStopped) {
    val pods = informer.getStore.list().asScala.toList
    if (jobs.noExecutor && !jobs.everRegistered) {
      (pods.flatMap(pod => Messages.ofPod(pod)) ++ mounts.troubles(pods)).foreach(note)
      patience.exhausted(System.currentTimeMillis()).foreach(cancel)
    }
    if (pods.size < wanted) askAgain()
  }

  // How many executors Spark is asking for under dynamic allocation, its own counter alone knows.
  private val wanted =
    if (sc.conf.getBoolean("spark.dynamicAllocation.enabled", defaultValue = false)) 1
    else sc.conf.getInt("spark.executor.instances", 2)

  private def cancel(trouble: Trouble): Unit =
    jobs.active.keys.foreach(job => sc.cancelJob(job, Messages.reason(trouble)))

  /** Spark has made fewer pods than it wants, at its start or for a job: only the API server knows why. */
  private def askAgain(): Unit = {
    val waiting = (jobs.active + (PodWatch.Start -> startedAt)).collect {
      case (job, since) if System.currentTimeMillis() - since >= PodWatch.FewPods => job
    }
    if (waiting.map(job => askedFor.add(job)).exists(identity)) {
      check.ask() match {
        case Answer.Accepted =>
        case Answer.Doubt(message) => log.warn(message)
        case Answer.Refusal(message) => log.error(message)
      }
    }
  }
}

object PodWatch {
  // Spark asks for pods once a second (spark.kubernetes.allocation.batch.delay).
  private val FewPods = 5000L
  // Stands for the session's start among the ids of jobs.
  private val Start = -1
}
