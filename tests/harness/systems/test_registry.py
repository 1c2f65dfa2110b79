from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import combinations, pairwise
from pathlib import Path

import pytest

from harness.errors import TrialFailed
from harness.systems._programs import find_program, said_by
from harness.systems.fuse import CEILING, CONFIGS, SYSTEMS, chosen_configs
from harness.systems.fuse._objects import ObjectMount
from harness.systems.fuse.s3fs import S3fs
from tests.harness.systems.programs import context, program

OBJECT_CONFIGS = [
    (name, system, config)
    for name, (system, config) in CONFIGS.items()
    if issubclass(SYSTEMS[system], ObjectMount)
]
object_configs = pytest.mark.parametrize(
    ("system", "config"), [pair[1:] for pair in OBJECT_CONFIGS], ids=[pair[0] for pair in OBJECT_CONFIGS]
)


@pytest.fixture(autouse=True)
def endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")
    monkeypatch.setenv("AWS_REGION", "us-east-1")


def mounted(system: str, config: str, folder: Path, **more: str) -> ObjectMount:
    made = SYSTEMS[system](context(folder, config, **more))
    assert isinstance(made, ObjectMount)
    return made


def test_no_two_systems_share_a_config_name() -> None:
    names = [name for system in SYSTEMS.values() for name in system.configs]
    assert sorted(names) == sorted(CONFIGS)
    assert all(system.configs for system in SYSTEMS.values())


def test_all_peers_can_be_chosen_and_the_ceiling_comes_along() -> None:
    peers = [
        "mountpoint",
        "mountpoint-nocache",
        "mountpoint-memory",
        "rclone",
        "rclone-nocache",
        "s3fs",
        "geesefs",
    ]
    tuned = [f"{name}-tuned" for name in peers]
    chosen = chosen_configs([*peers, *tuned])
    assert len(chosen) == len(set(chosen)) == 15
    assert chosen[-1] == CEILING
    assert ("mountpoint", "nocache+tuned") in chosen


@object_configs
def test_a_published_command_line_names_no_folder_and_no_address(
    system: str, config: str, tmp_path: Path
) -> None:
    argv = mounted(system, config, tmp_path).argv
    assert [word for word in argv if "127.0.0.1" in word or str(tmp_path) in word] == []
    text = " ".join(argv)
    assert all(word in text for word in ("BUCKET", "PREFIX", "MOUNTPOINT", "ENDPOINT"))


def test_two_configs_of_a_system_are_never_the_same_command(tmp_path: Path) -> None:
    said = {(system, config): mounted(system, config, tmp_path).argv for _, system, config in OBJECT_CONFIGS}
    assert [(a, b) for a, b in combinations(said, 2) if said[a] == said[b]] == []


@pytest.mark.parametrize(
    ("system", "config"),
    [(s, c) for _, s, c in OBJECT_CONFIGS if f"{c}+tuned" in SYSTEMS[s].configs.values()],
)
def test_a_tuned_row_adds_to_the_default_one_and_changes_nothing_else(
    system: str, config: str, tmp_path: Path
) -> None:
    default, tuned = mounted(system, config, tmp_path), mounted(system, f"{config}+tuned", tmp_path)
    words = iter(tuned.argv)
    assert [word for word in default.argv if word not in words] == []  # all of them, in this order
    assert len(tuned.argv) > len(default.argv)
    assert (tuned.cache_bytes, tuned.cache_medium) == (default.cache_bytes, default.cache_medium)


def test_every_peer_has_a_tuned_row_beside_each_default_one() -> None:
    rows = [pair[1:] for pair in OBJECT_CONFIGS]
    assert [row for row in rows if "+" not in row[1] and (row[0], f"{row[1]}+tuned") not in rows] == []


def test_a_default_row_of_geesefs_leaves_all_but_the_cache_s_size_to_its_authors(tmp_path: Path) -> None:
    argv = mounted("geesefs", "memory", tmp_path).argv
    assert [word for word in argv if word.startswith("-")] == [
        "-f", "-o", "--endpoint", "--region", "--memory-limit",
    ]  # fmt: skip


def test_s3fs_knows_the_options_of_its_rows(tmp_path: Path) -> None:
    if S3fs.how_to_get() is not None:
        pytest.skip("s3fs is not installed")
    argv = mounted("s3fs", "nocache+tuned", tmp_path).argv
    options = [word.partition("=")[0] for flag, word in pairwise(argv) if flag == "-o"]
    known = said_by(S3fs.installed(), "--help")
    generic = {"ro", "uid", "gid"}  # of every mount
    assert [
        name for name in options if name not in generic and not re.search(rf"^   {name}\b", known, re.M)
    ] == []
    assert {"enable_noobj_cache", "stat_cache_expire"} <= set(options)


LIMITS: Mapping[str, str] = {
    "mountpoint": "--max-cache-size",
    "rclone": "--vfs-cache-max-size",
    "geesefs": "--memory-limit",
}


@object_configs
@pytest.mark.parametrize("scale", ["1", "1/16", "1/256"])
def test_a_cache_is_as_large_as_pond_s_and_the_command_says_so(
    system: str, config: str, scale: str, tmp_path: Path
) -> None:
    made = mounted(system, config, tmp_path, scale=scale)
    if made.cache_bytes is None:
        assert LIMITS.get(system) not in made.argv
        return
    pond = SYSTEMS["pond"](context(tmp_path, "2GiB" if "2GiB" in config else "19GiB", scale=scale))
    assert pond.cache_bytes is not None
    assert 0 <= pond.cache_bytes - made.cache_bytes < 1 << 20  # some take whole MiB only
    said = made.argv[made.argv.index(LIMITS[system]) + 1]
    assert (int(said[:-1]) if said.endswith("B") else int(said) << 20) == made.cache_bytes


@object_configs
def test_without_objects_there_is_nothing_to_mount(system: str, config: str, tmp_path: Path) -> None:
    made = SYSTEMS[system](context(tmp_path, config, url=None))
    with pytest.raises(TrialFailed, match=f"{system} has no objects to mount"):
        made.prepare()


@pytest.mark.parametrize(
    "name", [name for name, system in SYSTEMS.items() if issubclass(system, ObjectMount)]
)
def test_what_is_missing_says_how_to_get_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = SYSTEMS[name]
    assert issubclass(system, ObjectMount)
    monkeypatch.setattr("sys.executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path))
    monkeypatch.delenv("MOUNT_S3", raising=False)
    assert find_program(system.program) is None
    how = system.how_to_get()
    assert how is not None
    assert "\n" not in how
    assert "make " in how

    program(tmp_path / "bin" / system.program, "7.8.9")
    assert system.how_to_get() is None
    assert system.version().startswith("7.8.9")
