#!/usr/bin/env python3
"""The public interface of the crates that plugins are written against, as rustdoc declares it.

`cargo doc --workspace --no-deps` comes first. Without arguments: is it what `tests/interface/` says? With `--write`: write
it there, for review. Declarations of public items and their own methods are kept; implementations of traits are not.
"""

import difflib
import html
import os
import re
import sys
from pathlib import Path

CRATES = ["balpoe-core", "balpoe-net", "balpoe-testing"]
HERE = Path(__file__).parent
DOC = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent / "target")) / "doc"


def text(markup):
    """Markup without tags."""
    return html.unescape(re.sub(r"<[^>]+>", "", markup)).replace("\u00a0", " ")


def declaration(page):
    """An item's declaration, and those of its own methods and constants."""
    item = re.search(r'<pre class="rust (?:item-decl|macro)"><code>(.*?)</code></pre>', page, re.S)
    lines = [text(item[1]).strip()] if item else []
    own = re.search(r'id="implementations-list">(.*?)(?:<h2 id="|</section></div></main>|$)', page, re.S)
    if own:
        found = re.findall(r'<(?:section|summary)[^>]*>(?:(?!</h4>).)*?<h4 class="code-header">(.*?)</h4>', own[1], re.S)
        lines += sorted("    " + re.sub(r"\s+", " ", text(header)).strip() for header in found)
    return "\n".join(lines)


def interface(crate):
    """All public items of a crate, sorted by path."""
    root = DOC / crate.replace("-", "_")
    index = (root / "all.html").read_text()
    items = sorted(set(re.findall(r'<li><a href="([^"]+)">([^<]+)</a></li>', index)), key=lambda item: (item[1], item[0]))
    return "".join(f"# {path}\n{declaration((root / page).read_text())}\n\n" for page, path in items)


def main():
    changed = False
    for crate in CRATES:
        kept = HERE / "interface" / f"{crate}.txt"
        found = interface(crate)
        if "--write" in sys.argv[1:]:
            kept.parent.mkdir(exist_ok=True)
            kept.write_text(found)
            continue
        expected = kept.read_text() if kept.exists() else ""
        difference = list(difflib.unified_diff(expected.splitlines(), found.splitlines(), str(kept), crate, lineterm="", n=1))
        if difference:
            changed = True
            print("\n".join(difference))
    if changed:
        sys.exit("the public interface changed: if that is meant, run `tests/interface.py --write` and note it in CHANGELOG.md")


main()
