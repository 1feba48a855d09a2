package org.apache.spark.sparkyard

import org.apache.spark.api.plugin.{DriverPlugin, ExecutorPlugin, SparkPlugin}

/** What does `spark.plugins` name? On Kubernetes a driver's watch over executors. */
class ExecutorWatch extends SparkPlugin {
  override def driverPlugin(): DriverPlugin = new WatchDriver

  override def executorPlugin(): ExecutorPlugin = null
}
