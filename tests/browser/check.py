#!/usr/bin/env python3
"""Loads report pages in a real Chromium: no console message, no network request, no clipped or colliding words.

    balpoe report experiments/quickstart.toml && tests/browser/check.py runs/quickstart/report.html [--shots DIR]

Needs Python's standard library and a Chromium (`chromium`, `chromium-browser`, `google-chrome`, or $CHROMIUM); without one it
says so and succeeds. Pages with known faults are looked at first, so that a check that sees nothing fails.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

DESKTOP, PHONE = 1280, 390

# Faults of the layout, as one line of JSON in an attribute of the outer page, which --dump-dom prints.
LAYOUT = """
const page = document.querySelector('iframe').contentDocument, faults = [];
const root = page.documentElement;
if (root.scrollWidth > root.clientWidth + 1) faults.push(`the page is ${root.scrollWidth} wide in a window of ${root.clientWidth}`);
for (const svg of page.querySelectorAll('svg')) {
  const frame = svg.getBoundingClientRect(), name = svg.querySelector('title').textContent;
  const scale = frame.width / svg.viewBox.baseVal.width;
  const words = [...svg.querySelectorAll('text')].filter(text => text.textContent.trim());
  const boxes = words.map(text => text.getBoundingClientRect());
  boxes.forEach((box, i) => {
    if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 || box.bottom > frame.bottom + 1)
      faults.push(`${name}: "${words[i].textContent}" is clipped`);
    if (parseFloat(page.defaultView.getComputedStyle(words[i]).fontSize) * scale < 8.5)
      faults.push(`${name}: "${words[i].textContent}" is too small to read`);
    for (let j = 0; j < i; j++) {
      const other = boxes[j];
      if (words[i].hasAttribute('transform') || words[j].hasAttribute('transform')) continue;
      const across = Math.min(box.right, other.right) - Math.max(box.left, other.left);
      const down = Math.min(box.bottom, other.bottom) - Math.max(box.top, other.top);
      if (across > 1 && down > 3) faults.push(`${name}: "${words[j].textContent}" and "${words[i].textContent}" collide`);
    }
  });
}
document.body.dataset.faults = JSON.stringify(faults);
"""


def chromium():
    names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


def request_of(line):
    """The parameters of a line of the network log that says that a page asks a server for something; its own updates and the like
    the browser starts with the initiator `not an origin`."""
    if not line.startswith('{"params"') or '"initiator"' not in line:
        return None
    parameters = json.JSONDecoder().raw_decode(line)[0]["params"]
    remote = re.match("(https?|wss?|ftp):", parameters.get("url", ""))
    return parameters if remote and parameters["initiator"] != "not an origin" else None


class Browser:
    """One Chromium that talks to nobody."""

    def __init__(self, program, folder):
        self.program, self.folder = program, pathlib.Path(folder)

    def run(self, address, *options):
        command = [
            self.program, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps",
            "--disable-extensions", "--host-resolver-rules=MAP * ~NOTFOUND", "--allow-file-access-from-files",
            f"--user-data-dir={self.folder / 'profile'}", *options, address,
        ]
        return subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)

    def messages_and_requests(self, page):
        """Console messages, and requests that left the machine's files."""
        log = self.folder / "net.json"
        log.unlink(missing_ok=True)
        done = self.run(
            page.as_uri(), "--enable-logging=stderr", "--v=0", f"--log-net-log={log}", "--virtual-time-budget=2000", "--dump-dom"
        )
        if "<html" not in done.stdout:
            raise SystemExit(f"error: Chromium did not load {page}: {done.stderr[-2000:]}")
        messages = re.findall(r"CONSOLE[^\]]*\]\s*(.*)", done.stderr)
        addresses = [request["url"] for request in map(request_of, log.read_text(errors="replace").splitlines()) if request]
        return messages, sorted(set(addresses))

    def faults(self, page, width):
        """Faults of the layout at a width."""
        outer = self.folder / "outer.html"
        frame = f'<iframe src="{page.as_uri()}" style="width:{width}px;height:2000px;border:0"></iframe>'
        script = f"<script>addEventListener('load', () => {{{LAYOUT}}})</script>"
        outer.write_text(f"<!doctype html><meta charset=utf-8><body>{frame}{script}")
        done = self.run(outer.as_uri(), "--window-size=1400,2200", "--virtual-time-budget=4000", "--dump-dom")
        found = re.search(r'data-faults="([^"]*)"', done.stdout)
        if not found:
            raise SystemExit(f"error: the layout of {page} could not be measured: {done.stderr[-2000:]}")
        return json.loads(found[1].replace("&quot;", '"').replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))

    def shoot(self, page, width, dark, target):
        """A picture of the whole page at a width."""
        outer = self.folder / "shot.html"
        height = 10000 if width == PHONE else 6500
        frame = f'<iframe src="{page.as_uri()}" style="width:{width}px;height:{height}px;border:0;color-scheme:light dark"></iframe>'
        outer.write_text(f"<!doctype html><meta name=color-scheme content='light dark'><body style='margin:0'>{frame}")
        theme = ["--blink-settings=preferredColorScheme=0"] if dark else ["--blink-settings=preferredColorScheme=1"]
        self.run(outer.as_uri(), f"--window-size={max(width, 500)},{height}", f"--screenshot={target}", *theme)


def rehearse(browser):
    """The checks see the faults of pages that have some."""
    page = browser.folder / "faulty.html"
    page.write_text(
        "<!doctype html><html><body><script>console.error('seen')</script><img src='http://balpoe.invalid/x.png'>"
        "<div style='width:3000px'>wide</div><svg viewBox='0 0 100 100' width=100><title>t</title>"
        "<text x=90 y=50>clipped words</text><text x=10 y=20>one</text><text x=12 y=20>two</text></svg></body></html>"
    )
    messages, requests = browser.messages_and_requests(page)
    faults = " ".join(browser.faults(page, PHONE))
    seen = {
        "a console message": any("seen" in message for message in messages),
        "a request": any("balpoe.invalid" in request for request in requests),
        "a page that is too wide": "wide in a window" in faults,
        "clipped words": "is clipped" in faults,
        "colliding words": "collide" in faults,
    }
    missed = [fault for fault, found in seen.items() if not found]
    if missed:
        raise SystemExit(f"error: the check does not see {', '.join(missed)}; it says nothing about this Chromium")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("pages", nargs="+", type=pathlib.Path)
    arguments.add_argument("--shots", type=pathlib.Path, help="folder for pictures: desktop and phone, light and dark")
    arguments = arguments.parse_args()
    program = chromium()
    if program is None:
        print("skipped: no Chromium")
        return 0
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        browser = Browser(program, folder)
        rehearse(browser)
        for page in (page.resolve() for page in arguments.pages):
            messages, requests = browser.messages_and_requests(page)
            findings = [f"console: {message}" for message in messages] + [f"request: {request}" for request in requests]
            for name, width in (("desktop", DESKTOP), ("phone", PHONE)):
                findings += [f"{name}: {fault}" for fault in browser.faults(page, width)]
                for theme in ("light", "dark"):
                    if arguments.shots:
                        arguments.shots.mkdir(parents=True, exist_ok=True)
                        target = arguments.shots.resolve() / f"{page.parent.name}-{name}-{theme}.png"
                        browser.shoot(page, width, theme == "dark", target)
            print(f"{page}: " + ("nothing found" if not findings else f"{len(findings)} findings"))
            for finding in findings:
                print(f"  {finding}")
            failed |= bool(findings)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
