from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from harness.errors import SuiteError, UsageError
from harness.suite import load_suite, parse_scale, suite_names

GOOD = """schema = 1
name = "mine"
kind = "fuse"
repeats = 2
timeout_s = 60
scale = "1/64"

[[system]]
name = "tmpfs"
configs = ["files"]

[[system]]
name = "pond"
configs = ["2GiB"]

[[workload]]
name = "random"
params = { access = "random", workers = 2 }

[rules]
minimum_repeats = 3
"""


def write(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text)
    return str(path)


def test_every_shipped_suite_can_be_read() -> None:
    suites = {name: load_suite(name) for name in suite_names()}

    assert {"fuse", "fuse-peers", "quick", "tiny"} <= suites.keys()
    assert suites["fuse"].scale == Fraction(1, 32)
    assert suites["fuse"].repeats == 3
    assert (suites["fuse"].rules.judged_scale, suites["fuse"].rules.judged_repeats) == (Fraction(1, 16), 7)
    assert suites["quick"].repeats == 1


def test_a_suite_says_what_its_file_says(tmp_path: Path) -> None:
    suite = load_suite(write(tmp_path, GOOD))

    assert [(spec.name, spec.configs) for spec in suite.systems] == [
        ("tmpfs", ("files",)),
        ("pond", ("2GiB",)),
    ]
    assert (suite.workloads[0].access, suite.workloads[0].workers, suite.workloads[0].batch_size) == (
        "random",
        2,
        64,
    )
    assert suite.rules.minimum_repeats == 3


@pytest.mark.parametrize(
    ("old", "new", "line", "key"),
    [
        ("repeats = 2", "repeats = 0", 4, "repeats"),
        ("repeats = 2", "repeat = 2", 4, "repeat"),
        ('scale = "1/64"', 'scale = "3/2"', 6, "scale"),
        ('name = "pond"\nconfigs = ["2GiB"]', 'name = "pond"\nconfigs = []', 14, "configs"),
        ('name = "pond"\nconfigs = ["2GiB"]', 'name = "pond"', 12, "configs"),
        ('access = "random"', 'access = "rondom"', 18, "access"),
        ("workers = 2", "wrokers = 2", 18, "wrokers"),
        ("minimum_repeats = 3", 'minimum_repeats = "3"', 21, "minimum_repeats"),
        ("schema = 1", "schema = 9", 1, "schema"),
        ('configs = ["2GiB"]', 'configs = ["2GiB"]\nrounds = 0', 15, "rounds"),
        ('configs = ["2GiB"]', 'configs = ["2GiB"]\nprofiles = "aws"', 15, "profiles"),
        ('configs = ["2GiB"]', 'configs = ["2GiB"]\nprofile = ["aws"]', 15, "profile"),
        ('name = "pond"', 'name = "*"', 14, "configs"),
        ("minimum_repeats = 3", 'memory_limit = "4GB"', 21, "memory_limit"),
        ('name = "mine"', 'name = "a/b"', 2, "name"),
        ('name = "mine"', 'name = ".."', 2, "name"),
        ('name = "mine"', 'name = ""', 2, "name"),
        ('name = "mine"', 'name = "local"', 2, "name"),
        ('name = "mine"', 'name = "published"', 2, "name"),
        ('name = "mine"', 'name = "pod-micro"', 2, "name"),
        ("timeout_s = 60", "timeout_s = 0.5", 5, "timeout_s"),
        ("timeout_s = 60", "timeout_s = -1", 5, "timeout_s"),
        ("timeout_s = 60", "timeout_s = nan", 5, "timeout_s"),
        ("timeout_s = 60", "timeout_s = inf", 5, "timeout_s"),
    ],
)
def test_an_error_names_file_line_and_key(tmp_path: Path, old: str, new: str, line: int, key: str) -> None:
    path = write(tmp_path, GOOD.replace(old, new))

    with pytest.raises(SuiteError) as caught:
        load_suite(path)

    assert f"mine.toml:{line}:" in str(caught.value)
    assert repr(key) in str(caught.value)


def test_a_system_may_have_networks_and_rounds_of_its_own_and_a_run_a_memory_limit(tmp_path: Path) -> None:
    more = 'configs = ["2GiB"]\nprofiles = ["aws", "none"]\nrounds = 3'
    text = GOOD.replace('configs = ["2GiB"]', more) + 'memory_limit = "512MiB"\n'

    suite = load_suite(write(tmp_path, text))

    assert [(spec.profiles, spec.rounds) for spec in suite.systems] == [((), None), (("aws", "none"), 3)]
    assert suite.rules.memory_limit_bytes == 512 << 20


def test_a_timeout_may_be_a_part_of_a_second_more(tmp_path: Path) -> None:
    assert load_suite(write(tmp_path, GOOD.replace("timeout_s = 60", "timeout_s = 1.5"))).timeout_s == 1.5


def test_a_file_that_is_not_utf_8_is_one_line_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(GOOD.replace("mine", "m\u00efne").encode("latin-1"))

    with pytest.raises(SuiteError, match=r"^mine\.toml:2: is not UTF-8"):
        load_suite(str(path))


def test_broken_toml_is_one_line_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=r"mine\.toml: .*line 4"):
        load_suite(write(tmp_path, GOOD.replace("repeats = 2", "repeats = ")))


def test_an_unknown_suite_lists_those_there_are() -> None:
    with pytest.raises(SuiteError, match="fuse, fuse-peers, quick"):
        load_suite("nothing")


@pytest.mark.parametrize("text", ["0", "-1/2", "2", "a", "1/0"])
def test_a_scale_outside_of_zero_to_one_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_scale(text)
