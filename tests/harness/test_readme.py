from __future__ import annotations

from pathlib import Path

import pytest

from harness.durable import write_json
from harness.errors import HarnessError
from harness.home import Home
from harness.readme import BEGIN, END, check_readme, render, write_readme
from harness.storesuites import STORE_SUITES
from tests.harness.result_factory import MACHINE_ID, case, timed, tmpfs

SEED = """system,system_version,access_pattern,cache,empty_cache_s,empty_cache_speedup_pct,warm_cache_s,warm_cache_speedup_pct
mountpoint,1.19.0,random,none,3686.9,0,3697.2,0
pond,6b7b2076,random,19GiB-memory,309.9,91.6,231.2,93.7
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.published.mkdir(parents=True)
    (home.published / "pond_readme.csv").write_text(SEED)
    pod = "".join(f"{suite.begin}\n{suite.end}\n" for suite in STORE_SUITES.values())
    home.readme.write_text(f"# Title\n\n{BEGIN}\nold\n{END}\n\n{pod}\nAfter.\n")
    return home


def publish(home: Home, *cases: dict[str, object]) -> None:
    for result in cases:
        write_json(home.results / str(result["suite"]) / MACHINE_ID / f"{result['id']}.json", result)


def test_the_table_has_the_published_columns_and_the_figures(home: Home) -> None:
    publish(home, case(), tmpfs([1.0] * 7))
    text = render(home)

    head = next(line for line in text.splitlines() if line.startswith("| FUSE"))
    assert head.startswith(
        "| FUSE | Access pattern | Cache | Empty cache time | Speedup | Warm cache time | Speedup |"
    )
    pond = next(line for line in text.splitlines() if line.startswith("| pond 0.1.0"))
    cells = [cell.strip() for cell in pond.split("|")[1:-1]]
    assert cells == [
        "pond 0.1.0", "random", "19GiB x 1/118 = 191 MiB", "2.00 s", "–", "1.00 s", "–", "2.00 [2.00, 2.00]",
        "1.00 [1.00, 1.00]", "41 / 1", "1.000", "– / cpu 100%", "7", "CLOSED",
    ]  # fmt: skip
    assert "Scale 1/118: 1,000 files" in text
    assert f"machine `{MACHINE_ID}`" in text


def test_the_seeds_figures_stand_beside(home: Home) -> None:
    assert "| pond | random | 19GiB-memory | 309.9 s | 91.6% | 231.2 s | 93.7% |" in render(home)


def test_speedup_is_over_mountpoint_without_cache(home: Home) -> None:
    baseline = case("mountpoint", "nocache")
    for one in baseline["trials"]:
        one["epochs"][0]["samples"]["epoch_s"] = 8.0
    publish(home, case(), baseline, tmpfs([1.0] * 7))

    pond = next(line for line in render(home).splitlines() if line.startswith("| pond 0.1.0"))

    assert pond.split("|")[5].strip() == "75.0%"


def test_in_short_pond_stands_beside_what_was_published(home: Home) -> None:
    assert "In short" not in render(home)
    baseline = case("mountpoint", "nocache")
    for one in baseline["trials"]:
        one["epochs"][0]["samples"]["epoch_s"] = 8.0
        one["epochs"][1]["samples"]["epoch_s"] = 4.0
    publish(home, case(), baseline, tmpfs([1.0] * 7))

    lines = render(home).splitlines()
    short = lines[
        lines.index("In short: what pond saves of the time that Mountpoint takes without a cache.") + 4
    ]

    cells = [cell.strip() for cell in short.split("|")[1:-1]]
    assert cells == [
        "19GiB x 1/118 = 191 MiB", "random", "sim-aws", "75.0%", "91.6%", "75.0%", "93.7%", "7", "CLOSED",
    ]  # fmt: skip


def test_a_ratio_says_its_pairs_only_where_they_are_not_the_rows_n(home: Home) -> None:
    publish(
        home,
        timed("mountpoint", "nocache", [8.0] * 2, gets=1000),
        timed("pond", "19GiB", [2.0] * 5),
        tmpfs([1.0] * 3),
    )

    rows = [line.split("|") for line in render(home).splitlines() if "| random |" in line and "0.1.0" in line]

    cells = {row[1].split()[0]: [cell.strip() for cell in row] for row in rows}
    assert [cells["pond"][number] for number in (5, 7, 8, 9, 13)] == [
        "75.0% (n=2)", "0.0% (n=2)", "2.00 [2.00, 2.00] (n=3)", "1.00 [1.00, 1.00] (n=3)", "5",
    ]  # fmt: skip
    assert [cells["mountpoint"][number] for number in (5, 8, 13)] == ["0.0%", "8.00 [8.00, 8.00]", "2"]


def test_an_invalid_result_is_not_in_the_readme(home: Home) -> None:
    publish(home, case() | {"label": "INVALID", "label_reasons": ["bytes not verified"]}, tmpfs([1.0] * 7))

    assert "| pond 0.1.0" not in render(home)


def test_an_open_result_is_shown_with_its_reason(home: Home) -> None:
    publish(home, case() | {"label": "OPEN", "label_reasons": ["n = 3 < 5"]}, tmpfs([1.0] * 7))

    assert "OPEN (n = 3 < 5)" in render(home)


def test_check_fails_until_the_readme_is_written_and_leaves_the_rest_alone(home: Home) -> None:
    publish(home, case(), tmpfs([1.0] * 7))
    with pytest.raises(HarnessError, match="make readme"):
        check_readme(home)

    assert write_readme(home) is True
    check_readme(home)
    assert write_readme(home) is False
    text = home.readme.read_text()
    assert text.startswith("# Title\n")
    assert text.endswith("\n\nAfter.\n")


def test_a_readme_without_markers_is_said(home: Home) -> None:
    home.readme.write_text("# Title\n")

    with pytest.raises(HarnessError, match="markers"):
        write_readme(home)


def test_figures_of_several_scales_stand_in_tables_of_their_own(home: Home) -> None:
    small = case() | {"scale": "1/256", "id": "another"}
    publish(home, case(), tmpfs([1.0] * 7), small)

    captions = [line for line in render(home).splitlines() if line.startswith("Scale ")]

    assert [line.partition(":")[0] for line in captions] == ["Scale 1/118", "Scale 1/256"]


def test_each_suite_network_and_class_has_a_table_of_its_own(home: Home) -> None:
    peers = [timed("mountpoint", "nocache", [8.0] * 5), tmpfs([1.0] * 5)]
    hinted = timed("pond", "2GiB", [1.5] * 5) | {"hinted": True, "id": "hinted"}
    no_network = timed("pond", "2GiB", [1.2] * 5, s3="sim-none")
    publish(home, *({**result, "suite": "fuse-peers"} for result in peers))
    publish(home, case(), tmpfs([1.0] * 7), no_network, hinted)

    captions = [line for line in render(home).splitlines() if line.startswith("Scale ")]

    assert [("hinted" in line, line.partition("S3 ")[2].partition(";")[0]) for line in captions] == [
        (False, "sim-aws"),  # the peers' suite
        (False, "sim-aws"),
        (False, "sim-none"),
        (True, "sim-aws"),
    ]
    (without,) = [line for line in render(home).splitlines() if "| 1.20 s |" in line]
    assert "1.20 [1.20, 1.20]" in without  # held against the one tmpfs there is


def test_a_row_says_what_limits_it(home: Home) -> None:
    publish(
        home,
        timed("pond", "2GiB", [9.0] * 5, gets=1000),
        timed("pond", "2GiB", [1.2] * 5, s3="sim-none"),
        timed("null", "memory", [1.1] * 5, gets=None),
        tmpfs([1.0] * 5),
    )

    (pond,) = [line for line in render(home).splitlines() if "| 9.00 s |" in line]

    assert pond.split("|")[12].strip() == "s3-latency 87% / cpu 100%"


def test_warnings_stand_below_the_table(home: Home) -> None:
    publish(home, timed("pond", "2GiB", [2.0, 2.0, 2.0, 2.0, 9.0]), tmpfs([1.0] * 5))

    text = render(home)

    assert "Warnings:" in text
    assert "- pond 2GiB, random, cold: unstable: the standard deviation is" in text


def test_a_table_with_nothing_to_show_is_left_out(home: Home) -> None:
    missing = case("mountpoint", "nocache", trials=[]) | {"status": "not_installed", "reason": "make peers"}
    publish(home, missing)

    assert "No results are published yet" in render(home)
