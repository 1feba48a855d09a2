"""Is a release's page a good page in a real browser: whole, still, to scale, at any width?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sparkyard import paths
from sparkyard.builds import bake
from sparkyard.command import run
from sparkyard.plan import base_image
from sparkyard.plan.plan import Site
from sparkyard.record import page as record_page
from sparkyard.record.record import Record
from tests.e2e.chromium import Tab, tab
from tests.support import Lab
from tests.unit.records import first, hostile, pair, two_stacks

IMAGE = "sparkyard-test/browser"
WIDTHS = (1600, 1024, 375)
BAD = "\"'><script>document.title='run'</script><img src=https://evil.example/x onerror=alert(2)>"
UNBROKEN = "a" * 300


def page(before: Record | None, record: Record) -> str:
    return record_page.render(record, before)


PAGES = {
    "usual": page(*pair()),
    "two stacks": page(*two_stacks()),
    "many changes": page(*pair(60)),
    "first": page(None, first()),
    "hostile": page(*hostile(BAD)),
    "unbroken": page(*hostile(UNBROKEN)),
}


@pytest.fixture(scope="module")
def browser(site: Site, lab: Lab) -> Iterator[Tab]:
    """A page of Chromium in a container without a network."""
    bake.write_mirrors(site.settings)
    debian = base_image.named(site.project, site.settings)
    # To compress Chromium and unpack it again would take longer than to install it.
    output = f"type=image,name={IMAGE},compression=uncompressed"
    argv = ["docker", "buildx", "build", "--quiet", "--provenance=false", "--output", output]
    argv += ["--build-context", f"common={paths.IMAGES / 'common'}"]
    argv += ["--build-context", f"debian={debian}"]
    argv += ["--build-arg", f"SUITE={site.project.debian}"]
    argv += [word for secret in bake.secrets(site.settings) for word in ("--secret", secret)]
    run([*argv, str(Path(__file__).parent / "browser")])
    name = lab.name("browser")
    words = ["docker", "run", "--rm", "--interactive", "--init", "--network", "none"]
    words += ["--name", name, "--label", lab.label, IMAGE]
    try:
        with tab(words) as opened:
            yield opened
    finally:
        run(["docker", "rm", "--force", name], check=False)


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", WIDTHS)
def test_is_whole_without_asking_for_anything(browser: Tab, name: str, width: int) -> None:
    browser.events.clear()
    browser.show(PAGES[name], width=width, dark=width == 1024)
    asked = [event["request"]["url"] for event in browser.told("Network.requestWillBeSent")]
    assert [url for url in asked if not url.startswith("data:")] == []
    assert browser.told("Runtime.exceptionThrown") == []
    assert browser.told("Runtime.consoleAPICalled") == []
    assert browser.told("Log.entryAdded") == []
    assert browser.evaluate("document.documentElement.scrollWidth") <= width


def test_nothing_of_a_record_runs(browser: Tab) -> None:
    browser.show(PAGES["hostile"], width=1024)
    assert browser.evaluate("document.title") != "run"
    assert browser.evaluate("document.images.length") == 0
    assert browser.evaluate("document.scripts.length") == 1
    assert BAD in browser.evaluate("document.body.textContent")


@pytest.mark.parametrize("width", WIDTHS)
def test_layers_are_drawn_to_scale(browser: Tab, width: int) -> None:
    browser.show(PAGES["usual"], width=width)
    drawn = browser.evaluate(
        "[...document.querySelectorAll('rect.layer')].map(each => {"
        " const box = each.getBoundingClientRect();"
        " return [each.dataset.digest, Number(each.dataset.bytes), box.left, box.width]; })"
    )
    _, record = pair()
    assert len(drawn) == sum(
        len({layer.digest for layer in image.layers}) for image in record.images
    )
    whole = browser.evaluate("document.querySelector('.lane').getBoundingClientRect().width")
    distinct = {digest: octets for digest, octets, _, _ in drawn}
    for digest, octets, left, wide in drawn:
        assert wide == pytest.approx(whole * octets / sum(distinct.values()), abs=0.05)
        assert {round(at, 1) for other, _, at, _ in drawn if other == digest} == {round(left, 1)}


@pytest.mark.parametrize("width", WIDTHS)
def test_no_text_of_a_layer_leaves_it(browser: Tab, width: int) -> None:
    browser.show(PAGES["usual"], width=width)
    spilled = browser.evaluate(
        "[...document.querySelectorAll('.lane text')].filter(text => {"
        " const box = text.getBoundingClientRect();"
        " const layers = [...text.parentNode.querySelectorAll('rect.layer')];"
        " return box.width > 0 && !layers.some(rect => {"
        "  const inside = rect.getBoundingClientRect();"
        "  return box.left >= inside.left && box.right <= inside.right; }); })"
        ".map(text => text.textContent)"
    )
    assert spilled == []


@pytest.mark.parametrize("dark", [False, True])
def test_text_can_be_told_from_what_it_stands_on(browser: Tab, dark: bool) -> None:
    browser.show(PAGES["usual"], width=1024, dark=dark)
    faint = browser.evaluate(CONTRAST)
    assert faint == []


CONTRAST = """
(() => {
  const parts = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
  const behind = node => {
    for (; node; node = node.parentElement) {
      const found = parts(getComputedStyle(node).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const node of document.querySelectorAll("body *:not(svg *, script, style)")) {
    if (![...node.childNodes].some(child => child.nodeType === 3 && child.data.trim())) continue;
    const [one, two] = [parts(getComputedStyle(node).color), behind(node)].map(light);
    const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    if (ratio < 4.5) faint.push([node.className, node.textContent.slice(0, 40), ratio]);
  }
  return faint;
})()
"""
"""What has less contrast than 4.5 to 1, as WCAG 2.2 wants for text (1.4.3)."""


def test_can_be_read_without_its_script_and_copied_with_it(browser: Tab) -> None:
    browser.show(PAGES["usual"], width=1024)
    commands = browser.evaluate("document.querySelectorAll('.command').length")
    assert commands == len(pair()[1].images) + 1
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    browser.show(PAGES["usual"], width=1024)
    browser.call("Emulation.setScriptExecutionDisabled", value=False)
    assert "docker pull" in browser.evaluate("document.body.textContent")
