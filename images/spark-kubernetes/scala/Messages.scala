package org.apache.spark.sparkyard

import scala.jdk.CollectionConverters._

import io.fabric8.kubernetes.api.model.{Container, ContainerStateTerminated, Event, Pod}

/** What is a person told? Every text of the watch, as pure functions of what the cluster said. */
object Messages {
  private val ImageReasons = Set(
    "ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName",
    "ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed")
  private val CreateReasons = Set("CreateContainerConfigError", "CreateContainerError")
  private val StartReasons = Set("RunContainerError", "ContainerCannotRun", "StartError")
  private val MountReasons = Set("FailedMount", "FailedAttachVolume")
  // The executors' entrypoint ends with it (EX_UNAVAILABLE of sysexits.h) before Java starts.
  private val DriverUnreachable = 69
  private val Unreachable = "driver unreachable"
  // 128 + SIGKILL.
  private val Killed = 137
  // SparkExitCode.OOM
  private val HeapFull = 52

  // ---- pods ----

  def ofPod(pod: Pod): Option[Trouble] =
    ofContainer(pod).orElse(evicted(pod)).orElse(unschedulable(pod))

  def inCreation(pod: Pod): Boolean =
    statuses(pod).exists(status =>
      Option(status.getState.getWaiting)
        .exists(waiting => Set("ContainerCreating", "PodInitializing")(waiting.getReason)))

  /** Not of init containers: they end before an executor's own begins. */
  def hasEnded(pod: Pod): Boolean = Option(pod.getStatus).exists { status =>
    Set("Failed", "Succeeded")(status.getPhase) || status.getContainerStatuses.asScala
      .exists(each => Option(each.getState).exists(_.getTerminated != null))
  }

  /** Of the events of a pod whose containers are still being made. */
  def ofEvents(events: Seq[Event]): Option[Trouble] =
    events.find(event => MountReasons(event.getReason)).map { event =>
      val said = oneLine(event.getMessage)
      Trouble(
        "volume", steady(said),
        s"An executor's volume cannot be mounted: $said. Create what is missing in the namespace " +
          "of the executors, or correct spark.kubernetes.executor.secrets.*, " +
          "spark.kubernetes.executor.volumes.* or the pod template that names it.",
        lasting = said.contains("not found") || said.contains("non-existent"))
    }

  /** Of a pod whose events are not for us to read. */
  def slow(pod: String): Trouble =
    Trouble(
      "creation", "unknown",
      "The executors' containers are still being made: an image is being pulled, or a Secret, a " +
        s"ConfigMap or a volume is not there. kubectl describe pod $pod tells which.",
      lasting = false)

  /** What a cancelled job says. Spark puts "Job 0 cancelled" before it. */
  def reason(trouble: Trouble): String = s"because no executor can come. ${trouble.message}"

  private def ofContainer(pod: Pod): Option[Trouble] =
    statuses(pod).flatMap { status =>
      val state = status.getState
      Option(state.getWaiting)
        .flatMap(waiting =>
          notCreated(image(pod, status.getName), waiting.getReason, oneLine(waiting.getMessage)))
        .orElse(Option(state.getTerminated).flatMap(ended(pod, status.getName, _)))
    }.headOption

  private def notCreated(image: String, reason: String, said: String): Option[Trouble] =
    if (ImageReasons(reason)) {
      Some(Trouble(
        "image", image,
        s"The executors' image $image cannot be pulled ($reason${colon(said)}). Correct " +
          "spark.kubernetes.container.image, or give the registry's credentials by " +
          "spark.kubernetes.container.image.pullSecrets.",
        lasting = true))
    } else if (CreateReasons(reason) || StartReasons(reason)) Some(container(image, reason, said))
    else None

  private def container(image: String, reason: String, said: String): Trouble =
    Trouble(
      "container", steady(said),
      s"An executor's container cannot be made ($reason${colon(said)}). " +
        (if (StartReasons(reason)) {
           s"Is $image an image of Spark executors? Correct spark.kubernetes.container.image."
         } else {
           "Create the Secret or ConfigMap that is named here in the namespace of the " +
             "executors, or correct the setting or the pod template that names it."
         }),
      lasting = true)

  private def ended(pod: Pod, name: String, end: ContainerStateTerminated): Option[Trouble] = {
    val code = end.getExitCode.intValue
    val spec = containers(pod).find(_.getName == name)
    val said = oneLine(end.getMessage)
    // Whoever deletes a pod ends its containers: that is no fault of theirs.
    val deleted = pod.getMetadata.getDeletionTimestamp != null
    if (end.getReason == "OOMKilled") Some(outOfMemory(spec))
    else if (code == 0 || deleted) None
    else if (StartReasons(end.getReason)) Some(container(image(pod, name), end.getReason, said))
    else code match {
      case DriverUnreachable if said.startsWith(Unreachable) =>
        Some(unreachable(spec, said.stripPrefix(Unreachable).stripPrefix(":").trim))
      case Killed => Some(outOfMemory(spec, "most likely "))
      case HeapFull => Some(heapFull(spec))
      case _ => Some(crashed(code, said))
    }
  }

  private def outOfMemory(spec: Option[Container], likely: String = ""): Trouble = {
    val limit = resource(spec, "memory").fold("")(" of " + _)
    Trouble(
      "memory", limit,
      s"An executor was killed (exit code 137), ${likely}for using more memory than its limit" +
        s"$limit. Raise spark.executor.memoryOverhead for Python workers, pandas, Arrow and " +
        "native code, spark.executor.memory for the JVM; or make partitions smaller.",
      lasting = false)
  }

  /** Linux may kill a Python worker instead of the whole container: then the pod goes on.
    *
    * @param pod what an executor is
    */
  def lostWorker(pod: Pod): String = {
    val limit = resource(containers(pod).headOption, "memory").fold("")(" of " + _)
    s"A Python worker of an executor ended without a word: most likely it was killed, because the " +
      s"executor's memory limit$limit was reached. Raise spark.executor.memoryOverhead, or make " +
      "partitions smaller."
  }

  private def heapFull(spec: Option[Container]): Trouble = {
    val heap = variable(spec, "SPARK_EXECUTOR_MEMORY").fold("")(" of " + _)
    Trouble(
      "heap", heap,
      s"An executor's JVM has used up its heap$heap (exit code 52). Raise spark.executor.memory, " +
        "or make partitions smaller.",
      lasting = false)
  }

  private def unreachable(spec: Option[Container], said: String): Trouble = {
    val address = variable(spec, "SPARK_DRIVER_URL")
      .map(url => url.substring(url.lastIndexOf('@') + 1)).getOrElse("its address")
    Trouble(
      "driver", address,
      s"Executors start but cannot reach the driver at $address${colon(said)}. This is no " +
        "lack of resources: set SPARK_DRIVER_HOST or spark.driver.host to an address of this " +
        "machine that pods can reach, and let its ports through firewalls and network policies.",
      lasting = true)
  }

  // Lasting, where no executor gets further: the next ones will end like this one.
  private def crashed(code: Int, said: String): Trouble =
    Trouble(
      "exit", code.toString,
      s"An executor ended with exit code $code${colon(said)}. Its pod is kept for kubectl logs " +
        "with spark.kubernetes.executor.deleteOnTermination=false.",
      lasting = true)

  private def evicted(pod: Pod): Option[Trouble] =
    Option(pod.getStatus).filter(_.getReason == "Evicted").map { status =>
      val said = oneLine(status.getMessage)
      val message = s"A node has evicted an executor${colon(said)}."
      Trouble("evicted", steady(said), message, lasting = false)
    }

  private def unschedulable(pod: Pod): Option[Trouble] =
    Option(pod.getStatus).toSeq
      .flatMap(_.getConditions.asScala)
      .find(c => c.getType == "PodScheduled" && c.getStatus == "False")
      .filter(_.getReason == "Unschedulable")
      .map { condition =>
        val said = oneLine(condition.getMessage)
        val spec = containers(pod).headOption
        val asked = Seq("cpu" -> "CPU", "memory" -> "memory").flatMap { case (name, word) =>
          request(spec, name).map(amount => s"$word $amount")
        }.mkString(", ")
        val advice =
          if (said.contains("Insufficient")) {
            s"An executor asks for $asked: ask for less with spark.executor.memory, " +
              "spark.executor.memoryOverhead, spark.executor.cores, for fewer with " +
              "spark.executor.instances, or wait until others have finished."
          } else {
            "Look at spark.kubernetes.node.selector.*, spark.kubernetes.executor.volumes.* and " +
              "the pod template."
          }
        val message = s"No node has room for an executor: $said. $advice"
        Trouble("room", steady(said), message, lasting = false)
      }

  // ---- the session ----

  /** Of what the API server said when it was asked again. */
  def ofAnswer(answer: Answer): Option[Trouble] = answer match {
    case Answer.Accepted => None
    case Answer.Doubt(said) => Some(Trouble("doubt", steady(said), said, lasting = false))
    case Answer.Refusal(said) => Some(Trouble("refusal", steady(said), said, lasting = true))
    case Answer.Silence(said) => Some(Trouble("silence", steady(said), said, lasting = false))
  }

  def refusal(place: Place, code: Int, answer: String): Answer = {
    // The client puts the KUBECONFIG's user before the server's own words, which know better.
    val said = answer.replaceFirst("^Forbidden! ?User .* doesn't have permission\\. ", "")
    val where = s"in namespace ${place.namespace} of ${place.api}"
    code match {
      case 401 =>
        val why = place.expired.fold("is wrong or has expired")(end => s"expired at $end")
        Answer.Refusal(
          s"Kubernetes does not know us: the token or certificate used at ${place.api}" +
            s"${as(place)} $why. Get a new one (in KUBECONFIG, or the file that " +
            "spark.kubernetes.authenticate.oauthTokenFile names) and start the session again.")
      case 403 if said.contains("exceeded quota") =>
        Answer.Doubt(
          s"Kubernetes makes no executor $where now: ${oneLine(said)}. Wait until others have " +
            "finished, ask for less with spark.executor.memory, spark.executor.memoryOverhead, " +
            "spark.executor.cores or spark.executor.instances, or have the quota raised.")
      case 403 if said.contains(" cannot ") =>
        Answer.Refusal(
          s"We may not make executors $where: ${oneLine(said)}. Use a namespace and a service " +
            "account that have a role for it (SPARK_NAMESPACE or spark.kubernetes.namespace), or " +
            "have that role bound.")
      case 404 =>
        Answer.Refusal(
          s"There is no namespace ${place.namespace} at ${place.api} (${oneLine(said)}). Set " +
            "SPARK_NAMESPACE or spark.kubernetes.namespace to one that exists.")
      case 403 | 422 =>
        Answer.Refusal(
          s"Kubernetes refuses the pods of executors $where: ${oneLine(said)}. Change the " +
            "setting or the pod template that asks for it, or have the rule changed.")
      case _ => unasked(place, s"HTTP $code${colon(oneLine(said))}")
    }
  }

  def unreachable(place: Place, said: String): Answer =
    Answer.Silence(
      s"The Kubernetes API server ${place.api} does not answer: ${oneLine(said)}. Check the " +
        "address (SPARK_MASTER, spark.master) and that this machine reaches it.")

  def untrusted(place: Place, said: String): Answer =
    Answer.Silence(
      s"No trusted connection to the Kubernetes API server ${place.api}: ${oneLine(said)}. Check " +
        "the address (SPARK_MASTER, spark.master) and the CA certificate that KUBECONFIG or " +
        "spark.kubernetes.authenticate.caCertFile names.")

  /** @param missing verb and resource */
  def noRights(place: Place, missing: Seq[(String, String)]): Answer =
    Answer.Refusal(
      s"We may make pods in namespace ${place.namespace} of ${place.api}${as(place)}, but not " +
        missing.map { case (verb, resource) => s"$verb $resource" }.mkString(", ") +
        ", which Spark needs as well. Have the role of this service account or user extended.")

  def undescribed(error: Throwable): String = {
    val causes = Iterator.iterate(error)(_.getCause).takeWhile(_ != null).map(_.getMessage).toSeq
    val said = oneLine(causes.distinct.mkString(": "))
    s"Spark cannot describe its executors for Kubernetes: $said. " +
      "Correct the setting or the pod template that is named here (spark.kubernetes.*)."
  }

  /** As conf/spark/compose/kubernetes.py says it before a JVM starts; but this one runs. */
  def portTaken(setting: String, port: Int): String =
    s"Port $port ($setting) is taken on this machine, by another session maybe. Stop that session " +
      "(its kernel), or start this kernel again with another port: SPARK_DRIVER_PORT, " +
      "SPARK_BLOCKMANAGER_PORT."

  /** The check is no reason to refuse a session that may work. */
  def unasked(place: Place, said: String): Answer =
    Answer.Doubt(
      s"Whether executors can come in namespace ${place.namespace} of ${place.api} could not be " +
        s"asked: ${oneLine(said)}. The session goes on.")

  private def as(place: Place): String = place.user.fold("")(user => s" as $user")

  // ---- reading a pod ----

  private def statuses(pod: Pod) =
    Option(pod.getStatus).toSeq
      .flatMap(s => s.getInitContainerStatuses.asScala ++ s.getContainerStatuses.asScala)
      .filter(_.getState != null)

  private def containers(pod: Pod): Seq[Container] =
    (pod.getSpec.getContainers.asScala ++ pod.getSpec.getInitContainers.asScala).toSeq

  private def image(pod: Pod, container: String): String =
    containers(pod).find(_.getName == container).fold("")(_.getImage)

  private def variable(spec: Option[Container], name: String): Option[String] =
    spec.flatMap(_.getEnv.asScala.find(_.getName == name)).flatMap(v => Option(v.getValue))

  private def resource(spec: Option[Container], name: String): Option[String] =
    spec.flatMap(c => Option(c.getResources)).flatMap(r => Option(r.getLimits))
      .flatMap(limits => Option(limits.get(name))).map(_.toString)

  private def request(spec: Option[Container], name: String): Option[String] =
    spec.flatMap(c => Option(c.getResources)).flatMap(r => Option(r.getRequests))
      .flatMap(requests => Option(requests.get(name))).map(_.toString)

  /** One line of at most 400 characters: it goes into the middle of a sentence. */
  private def oneLine(text: String): String =
    Option(text).getOrElse("").replaceAll("\\s+", " ").trim.stripSuffix(".").take(400)

  /** Without numbers, which differ from pod to pod and from minute to minute. */
  private def steady(text: String): String = text.replaceAll("[0-9]+", "")

  private def colon(text: String): String = if (text.isEmpty) "" else s": $text"
}
