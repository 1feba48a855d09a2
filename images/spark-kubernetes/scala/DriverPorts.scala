package org.apache.spark.sparkyard

import java.io.IOException
import java.net.{InetSocketAddress, ServerSocket}

import org.apache.spark.{SparkConf, SparkContext}

/** Has the driver the ports that its JVM was given? Where one is taken, Spark goes on to the next,
  * which executors may not reach. The look at them before the JVM starts comes too early for
  * sessions that start at one moment, and for a later session of the same JVM.
  */
class DriverPorts(sc: SparkContext) {
  private val managers =
    sc.conf.getInt(DriverPorts.BlockManager, sc.conf.getInt(DriverPorts.Managers, 0))

  /** Throws CannotWork where Spark went past the driver's port, or would go past the block manager's:
    * what is refused before executors are asked for leaves none behind that knock at a closed door.
    */
  def atStart(): Unit = {
    val wanted = new SparkConf().getInt(DriverPorts.Driver, 0)
    val got = SparkInternals.driverPort(sc)
    // Nothing tells any more whether a later session's cell asked for another port. So it is taken
    // for that where Spark would not have gone so far, or where a port between the two is free.
    val furthest = wanted + sc.conf.getInt("spark.port.maxRetries", 16)
    if (wanted > 0 && wanted < got && got <= furthest && (wanted until got).forall(taken)) {
      refuse(DriverPorts.Driver, wanted)
    }
    if (managers > 0 && taken(managers)) refuse(DriverPorts.BlockManager, managers)
  }

  /** Throws CannotWork where another session took the block manager's port after that look. */
  def atEnd(): Unit =
    if (managers > 0 && SparkInternals.blockManagerPort() != managers) {
      refuse(DriverPorts.BlockManager, managers)
    }

  private def refuse(setting: String, port: Int): Unit =
    throw new CannotWork(Messages.portTaken(setting, port))

  private def taken(port: Int): Boolean = {
    val host = sc.conf.get("spark.driver.bindAddress", sc.conf.get("spark.driver.host"))
    val socket = new ServerSocket()
    try {
      socket.setReuseAddress(true) // as Spark does: what is left of closed connections takes no port
      socket.bind(new InetSocketAddress(host, port))
      false
    } catch { case _: IOException => true }
    finally socket.close()
  }
}

object DriverPorts {
  private val Driver = "spark.driver.port"
  private val BlockManager = "spark.driver.blockManager.port"

  // Of the driver and of executors, where the driver has none of its own.
  private val Managers = "spark.blockManager.port"
}
