"""Every promise of docs/pod-semantics.md has a test that cites its number: those are in ``tests/pod/semantics``."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parents[1] / "docs" / "pod-semantics.md"

CITATION = re.compile(
    r"^@promise\((\d+)\)\n(?:@pytest[^\n]*\n(?:(?:    [^\n]*|\))\n)*)*def (test_\w+)\(", re.MULTILINE
)


def cited() -> Counter[int]:
    """How many tests cite each number."""
    texts = [path.read_text() for path in sorted((HERE / "semantics").glob("test_*.py"))]
    return Counter(int(number) for text in texts for number, _ in CITATION.findall(text))


def test_promises_are_numbered_without_gaps() -> None:
    numbers = [int(number) for number in re.findall(r"^(\d+)\. ", DOCUMENT.read_text(), re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > 40


def test_every_promise_has_a_test_and_every_citation_a_promise() -> None:
    numbers = re.findall(r"^(\d+)\. ", DOCUMENT.read_text(), re.MULTILINE)
    assert sorted(cited()) == [int(number) for number in numbers]


def test_no_citation_is_missed() -> None:
    texts = [path.read_text() for path in (HERE / "semantics").glob("test_*.py")]
    assert sum(cited().values()) == sum(text.count("@promise(") for text in texts)
