package org.apache.spark.sparkyard

import scala.util.control.NoStackTrace

import org.apache.spark.SparkException

/** Why was no session made? Without a stack trace: the reader's own line is the only one of use. */
class CannotWork(message: String) extends SparkException(message) with NoStackTrace
