"""What the docs show a person typing does what they show: each page's commands are run, in their order, against a sandbox of its own.

Of a page count the blocks `console` (commands behind a `$`, and what they print) and `toml` (what is written into syncd.toml). A line that
is only `…` stands for any number of lines. Times, durations and sizes may differ.
"""

import io
import re
import shlex
import sys
from contextlib import nullcontext, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from syncd import signals
from syncd.cli import main
from syncd.sandbox import District, running

PAGES = ["quickstart.md", "operate.md", "held.md", "undo.md"]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
DIFFERS = [
    (r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?", "TIME"),
    (r"\b\d+ (second|minute)s? ago", "AGO"),
    (r"\b\d+\.\d+ (s|MB)\b", r"N \1"),
    (r"\bseconds=[\d.]+", "seconds=N"),
    (r"Asked for by \S+\.", "Asked for by SOMEBODY."),
    (r" {2,}", "  "),
    (r" +$", ""),
]


def alike(text: str) -> str:
    for pattern, same in DIFFERS:
        text = re.sub(pattern, same, text, flags=re.MULTILINE)
    return text.strip()


def as_pattern(shown: str) -> str:
    """A regular expression for what is shown, with `…` for any lines."""
    lines = (r"(?s:.*?)" if line.strip() == "…" else re.escape(line) + r"\n?" for line in alike(shown).splitlines())
    return "".join(lines)


def typed(line: str, sandbox_url: str) -> str:
    """Run one command as a person types it; what it prints."""
    words = shlex.split(line)
    assert words[0] == "syncd", line
    if words[1] == "rehearse":
        words += ["--at", sandbox_url]
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed), redirect_stderr(printed):
        patch.setattr(sys, "argv", words)
        patch.setattr(signals, "on", lambda _calls: nullcontext())
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code in (0, 1, 3, None), printed.getvalue()
    return printed.getvalue()


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_shows_is_what_happens(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = Path("docs", page).read_text(encoding="utf-8")
    blocks = FENCE.findall(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SYNCD_CONFIG", raising=False)
    told = re.search(r"syncd sandbox --students (\d+)", text)
    run = 0
    with running(District.generate(students=int(told[1]) if told else 1000, seed=1)) as sandbox:
        monkeypatch.setenv("SANDBOX_TOKEN", sandbox.token)
        for kind, block in blocks:
            if kind == "toml":
                with Path("syncd.toml").open("a", encoding="utf-8") as config:
                    config.write(block.replace("http://127.0.0.1:8810", sandbox.url))
            elif kind == "console":
                for shown in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                    command, _, output = shown.partition("\n")
                    printed = typed(command, sandbox.url)
                    assert re.fullmatch(as_pattern(output), alike(printed)), f"{page}: $ {command}\n{printed}"
                    run += 1
    assert run
