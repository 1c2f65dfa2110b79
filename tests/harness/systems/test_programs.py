from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from harness.systems._programs import digest_of, find_program, said_by, version_in
from tests.harness.systems.programs import program


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.delenv("PEER", raising=False)
    return tmp_path


def test_a_program_is_found_on_path_before_the_one_that_was_built_here(home: Path) -> None:
    built = program(home / ".cache" / "peers" / "bin" / "peer", "built")
    assert find_program("peer") == built

    installed = program(home / "path" / "peer", "installed")
    assert find_program("peer") == installed


def test_what_the_variable_names_has_the_last_word_even_when_it_is_not_there(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(home / "path" / "peer", "installed")
    named = program(home / "elsewhere" / "other-peer", "named")

    monkeypatch.setenv("PEER", str(named))
    assert find_program("peer", "PEER") == named
    monkeypatch.setenv("PEER", str(home / "nowhere"))
    assert find_program("peer", "PEER") is None


def test_a_file_that_cannot_be_run_is_no_program(home: Path) -> None:
    program(home / "path" / "peer", "installed").chmod(0o644)
    assert find_program("peer") is None


def test_a_program_that_is_replaced_is_asked_and_digested_anew(tmp_path: Path) -> None:
    peer = program(tmp_path / "peer", "peer 1.2.3")
    first = digest_of(peer)
    assert first == hashlib.sha256(peer.read_bytes()).hexdigest()
    assert said_by(peer, "--version") == "peer 1.2.3"

    program(peer, "peer 2.0.0")
    os.utime(peer, ns=(1, 1))
    assert digest_of(peer) == hashlib.sha256(peer.read_bytes()).hexdigest() != first
    assert said_by(peer, "--version") == "peer 2.0.0"


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("mount-s3 1.24.0", "1.24.0"),
        ("rclone v1.75.0\n- os/version: debian 12.13 (64 bit)", "1.75.0"),
        ("Amazon Simple Storage Service File System V1.90 (commit:unknown) with GnuTLS(gcrypt)", "1.90"),
        ("geesefs version 0.43.5", "0.43.5"),
        ("no number", "unknown"),
    ],
)
def test_versions_are_read_from_what_programs_print(said: str, version: str) -> None:
    assert version_in(said) == version
