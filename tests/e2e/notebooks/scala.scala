// %% session
val k = sys.env("TEST_NUMBER").toInt
println("\"" + sc.master + "\"")

// %% lambda
val offset = k
println(sc.parallelize(1 to 1000, 8).map(x => x.toLong * x + offset).sum.toLong)

// %% hosts
val hosts = sc.parallelize(1 to 12, 12).map { _ =>
  Thread.sleep(300)
  java.net.InetAddress.getLocalHost.getHostName
}.distinct.collect.sorted
println(hosts.map("\"" + _ + "\"").mkString("[", ",", "]"))

// %% definition
import spark.implicits._
case class Point(x: Long, y: Double) { def shifted(by: Int) = copy(y = y + by) }

// %% case class
val moved = spark.range(0, 100, 1, 4).as[Long].map(n => Point(n, n * 0.5)).map(_.shifted(k))
val sum = moved.collect.map(p => p.x + p.y).sum
val counted = sc.parallelize(0 until 100, 8).map(n => (Point(n % 7, 0), 1)).reduceByKey(_ + _).count
println(s"[$sum, $counted]")

// %% udf
import org.apache.spark.sql.functions.{sum => total, udf}
val scaled = udf((n: Long) => n * k)
println(spark.range(0, 500, 1, 4).select(total(scaled($"id"))).as[Long].head)

// %% end
spark.stop()
println("\"stopped\"")
