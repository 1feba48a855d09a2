package org.apache.spark.sparkyard

/** Where does a session ask for its executors, and as whom?
  *
  * @param user    who the API server takes us for, as far as that is known
  * @param expired when the token ended, if it has
  */
case class Place(api: String, namespace: String, user: Option[String], expired: Option[String])
