"""Which Java does Spark take, and how does it see the world?"""

from __future__ import annotations

import os
import re
import shutil
from typing import Any

from sparkyard.facts.collector.inspection import Inspection, run
from sparkyard.facts.inside.files import list_dir

# Java says its settings before it runs a class: Janino, which is among Spark's jars, compiles one.
_PROBE = """
public class Probe {
    public static void main(String[] arguments) {
        java.util.TimeZone zone = java.util.TimeZone.getDefault();
        long winter = 1735689600000L, summer = 1751328000000L;
        System.out.println("Probe:");
        System.out.println("    time zone = " + zone.getID() + " "
            + zone.getOffset(winter) / 60000 + " " + zone.getOffset(summer) / 60000);
        System.out.println("    charset = " + java.nio.charset.Charset.defaultCharset());
        System.out.println("    locale = " + java.util.Locale.getDefault());
        System.out.println("    security providers = "
            + java.util.Arrays.asList(java.security.Security.getProviders()));
    }
}
"""
_SECTIONS = ("Property settings", "Locale settings", "Probe")
_NOISE = ("available locales",)
_SECTION = re.compile(r"^(\S[^:=]*):\s*$")
_SETTING = re.compile(r"^ {4}(\S[^=]*?) ?= ?(.*)$")


def java_facts(inspection: Inspection, spark_home: str | None) -> dict[str, Any] | None:
    """Return the Java of JAVA_HOME, else the one on PATH; None, and why, where there is none."""
    home = inspection.env.get("JAVA_HOME")
    if home:
        java, source = os.path.join(home, "bin", "java"), "JAVA_HOME"
        if not os.access(java, os.X_OK):
            inspection.missing["java"] = f"JAVA_HOME is {home}, and {java} cannot be run"
            return None
    else:
        java, source = shutil.which("java", path=inspection.env.get("PATH")) or "", "PATH"
        if not java:
            inspection.missing["java"] = "JAVA_HOME is not set and no java is on PATH"
            return None
    settings, words = _settings(java, spark_home)
    if "java.version" not in settings:
        inspection.missing["java"] = f"{java} told no version {words}"
        return None
    real = settings.get("java.home", "")
    return {
        "vendor": settings.get("java.vendor"),
        "version": settings["java.version"],
        "runtime": settings.get("java.runtime.version"),
        "vm": settings.get("java.vm.name"),
        "class_level": settings.get("java.class.version"),
        "home": real,
        "resolved": os.path.realpath(real) if real else None,
        "executable": java,
        "source": source,
        "settings": settings,
    }


def _settings(java: str, spark_home: str | None) -> tuple[dict[str, str], str]:
    """Return what a Java says of itself, and its last words; a setting of many lines as one."""
    jars = os.path.join(spark_home or "", "jars")
    compiler = [
        os.path.join(jars, name)
        for name in list_dir(jars)
        if name.startswith(("janino-", "commons-compiler-"))
    ]
    show = (java, "-XshowSettings:all")
    for rest in (
        ("-cp", ":".join(compiler), "org.codehaus.janino.SimpleCompiler", "/dev/stdin", "Probe"),
        ("-version",),
    ):
        out, err, words = run(*show, *rest, text=_PROBE)
        settings = _parsed(f"{err}\n{out}")
        if "charset" in settings:
            break
    return settings, words


def _parsed(text: str) -> dict[str, str]:
    settings: dict[str, str] = {}
    section = name = ""
    for line in text.splitlines():
        if match := _SECTION.match(line):
            section, name = match[1], ""
        elif section in _SECTIONS and (match := _SETTING.match(line)):
            name = "" if match[1] in _NOISE else match[1]
            settings[name] = match[2].strip()
        elif name and line.startswith("        "):
            settings[name] += f" {line.strip()}"
    settings.pop("", None)
    return settings
