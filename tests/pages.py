"""The project's pages, and what stands in them: blocks of code, commands, links."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = (
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("plugins/*/README.md")),
    *sorted(ROOT.glob("benchmarks/studies/**/*.md")),
)
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# A line that goes on with what ends in a backslash stands further in.
_INDENTED = re.compile(r"(?:^    \S.*\n(?:(?<=\\\n)     +\S.*\n)*)+", re.MULTILINE)
_INLINE = re.compile(r"`((?:poseplug|python) [^`]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def named(page: Path) -> str:
    """Return a page's path for messages."""
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return [code for found, code in _FENCED.findall(page.read_text()) if found == language]


def commands(page: Path) -> Iterator[str]:
    """Give the commands of a page's blocks, one by one: fenced as sh, or indented."""
    indented: list[str] = _INDENTED.findall(_FENCED.sub("", page.read_text()))
    for block in [*blocks(page, "sh"), *indented]:
        for line in re.sub(r" \\\n\s*", " ", block).splitlines():
            for command in line.split(" && "):
                words = shlex.split(command, comments=True)
                if words and (block not in indented or words[0] in ("poseplug", "python", "pytest", "pip")):
                    yield shlex.join(words)


def inline_commands(page: Path) -> list[str]:
    """Return the commands within a page's sentences."""
    return _INLINE.findall(_FENCED.sub("", page.read_text()))


def links(page: Path) -> list[str]:
    """Return where a page's links and pictures point, those to other sites left out."""
    return [link for link in _LINK.findall(_FENCED.sub("", page.read_text())) if "://" not in link]


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.*)$", _FENCED.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
