package org.apache.spark.sparkyard

import java.nio.charset.StandardCharsets.UTF_8
import java.time.Instant
import java.util.Base64

import scala.util.Try

/** Whose is a token, and until when? It says so itself (RFC 7519: the claims `sub`, `exp`). */
case class Token(user: Option[String], end: Option[Instant]) {
  def expired(now: Long): Option[String] =
    end.filter(_.toEpochMilli < now).map(_.toString)
}

object Token {
  private val Sub = "\"sub\"\\s*:\\s*\"([^\"]+)\"".r.unanchored
  private val Exp = "\"exp\"\\s*:\\s*(\\d+)".r.unanchored

  /** None where the token is no JSON Web Token: others say nothing about themselves. */
  def of(token: String): Option[Token] =
    Some(token.trim.split('.')).filter(_.length == 3).flatMap { parts =>
      Try(new String(Base64.getUrlDecoder.decode(parts(1)), UTF_8)).toOption.map { claims =>
        Token(
          user = Sub.findFirstMatchIn(claims).map(_.group(1)),
          end = Exp.findFirstMatchIn(claims).flatMap(m => Try(m.group(1).toLong).toOption)
            .map(seconds => Instant.ofEpochSecond(seconds)))
      }
    }
}
