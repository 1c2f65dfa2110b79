from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import GrammarError
from harness.podbench._grammar import Asked, parse_numbers, parse_systems, parse_workloads

TREE = ("tc", "tv", "tl", "tml", "tme")
KNOWN = {"skltweet": (), "msciedaw": (), "rmtree": TREE}
SYSTEMS = ["snp", "pga", "pgcache0"]


def test_the_issues_example_is_read() -> None:
    text = "skltweet,msciedaw[exc],rmtree[tc=10][tv=1e2][tl=1e3][tml=10][tme=100]"

    assert parse_workloads(text, KNOWN) == [
        Asked("skltweet"),
        Asked("msciedaw", exclude=True),
        Asked("rmtree", (("tc", 10), ("tv", 100), ("tl", 1000), ("tml", 10), ("tme", 100))),
    ]


def test_suffixes_come_in_any_order() -> None:
    read = parse_workloads("rmtree[n=3][tl=5][exc][tc=2]", KNOWN)

    assert read == [Asked("rmtree", (("tc", 2), ("tl", 5)), exclude=True, repetition=3)]
    assert str(read[0]) == "rmtree[tc=2][tl=5][exc][n=3]"


def test_repeated_names_are_kept() -> None:
    assert parse_systems("pgcache0, snp ,pgcache0", SYSTEMS) == ["pgcache0", "snp", "pgcache0"]
    assert parse_workloads("skltweet,skltweet[n=1]", KNOWN) == [
        Asked("skltweet"),
        Asked("skltweet", repetition=1),
    ]


def test_an_alias_counts_as_what_it_stands_for_and_only_where_that_is_known() -> None:
    aliases = {"snapshot": "snp", "another": "gone"}

    assert parse_systems("snapshot,pga", SYSTEMS, aliases) == ["snp", "pga"]
    with pytest.raises(GrammarError, match="unknown system 'another'"):
        parse_systems("another", SYSTEMS, aliases)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("10", 10),
        ("1e2", 100),
        ("1E+2", 100),
        ("1e0", 1),
        ("0e99", 0),
        ("007", 7),
        ("1e12", 10**12),
    ],
)
def test_numbers(text: str, value: int) -> None:
    assert parse_numbers("TV", text) == {value: text}


def test_dots_count_on() -> None:
    wanted = list(range(0, 101, 10))

    assert list(parse_numbers("TML", "0,10,…,100")) == wanted
    assert list(parse_numbers("TML", "0, 10, ..., 100")) == wanted
    assert list(parse_numbers("TML", "0,10,20,30,40,50,60,70,80,90,100")) == wanted


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "NB=: character 1: the name of a workload is missing"),
        ("skltweet,", "NB=skltweet,: character 10: the name of a workload is missing"),
        (
            "sklweet",
            "NB=sklweet: character 1: unknown workload 'sklweet'; there are: skltweet, msciedaw, rmtree",
        ),
        ("skltweet[exc", "NB=skltweet[exc: character 13: ']' is missing"),
        ("skltweet[n]", "NB=skltweet[n]: character 11: '=' and a number are missing after 'n'"),
        ("skltweet[n=x]", "NB=skltweet[n=x]: character 12: a whole number like 10 or 1e2 is missing"),
        ("skltweet[n=1e13]", "NB=skltweet[n=1e13]: character 12: 1e13 is too large a number"),
        ("skltweet[n=1e99999]", "NB=skltweet[n=1e99999]: character 12: 1e99999 is too large a number"),
        ("skltweet[n=1.5]", "NB=skltweet[n=1.5]: character 13: ']' is missing"),
        ("skltweet[exc][exc]", "NB=skltweet[exc][exc]: character 15: 'exc' is given twice"),
        ("rmtree[tc=1][tc=2]", "NB=rmtree[tc=1][tc=2]: character 14: 'tc' is given twice"),
        (
            "skltweet[tc=1]",
            "NB=skltweet[tc=1]: character 10: unknown suffix 'tc' of skltweet; there are: [exc] [n=K]",
        ),
        ("skltweet[]", "NB=skltweet[]: character 10: a suffix is [exc] [n=K]"),
        ("skltweet;rmtree", "NB=skltweet;rmtree: character 9: ';' was not expected"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, said: str) -> None:
    with pytest.raises(GrammarError) as caught:
        parse_workloads(text, KNOWN)

    assert str(caught.value) == said
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0,…,100", "character 4: … needs two growing numbers before it"),
        ("10,10,…,100", "character 8: … needs two growing numbers before it"),
        ("0,10,…", "character 7: … needs the last number behind it"),
        ("0,10,…,95", "character 8: 95 is not reached from 10 in steps of 10"),
        ("0,10,…,5", "character 8: 5 is not reached from 10"),
        ("0,1,…,1e12", "character 7: … stands for 10,000 numbers at most"),
        ("0,10,…,100,200", "character 11: ',' was not expected"),
    ],
)
def test_dots_that_say_nothing_are_refused(text: str, said: str) -> None:
    with pytest.raises(GrammarError, match=said):
        parse_numbers("TML", text)


numbers = st.integers(0, 10**12)


@st.composite
def asked(draw: st.DrawFn) -> Asked:
    name = draw(st.sampled_from(list(KNOWN)))
    given_ones = draw(st.sets(st.sampled_from(KNOWN[name]))) if KNOWN[name] else set()
    return Asked(
        name,
        tuple((key, draw(numbers)) for key in KNOWN[name] if key in given_ones),
        draw(st.booleans()),
        draw(st.none() | numbers),
    )


@given(st.lists(asked(), min_size=1))
def test_what_is_printed_parses_to_the_same(workloads: list[Asked]) -> None:
    assert parse_workloads(",".join(map(str, workloads)), KNOWN) == workloads


@given(st.text(alphabet="skltwe,[]=exn1 0.…", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(GrammarError):
        read = parse_workloads(text, KNOWN)
        assert parse_workloads(",".join(map(str, read)), KNOWN) == read
