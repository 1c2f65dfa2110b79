from __future__ import annotations

import os

import pytest

from harness.kernelfacts import cgroup_fact, io_uring_fact, kernel_config, kernel_facts, soft_dirty_fact
from harness.noise import spin


def test_every_fact_is_named_once_and_says_something() -> None:
    facts = kernel_facts()

    names = [fact.name for fact in facts]
    assert len(names) == len(set(names))
    assert {"kernel", "cgroups", "FUSE passthrough", "io_uring", "soft-dirty pages"} <= set(names)
    assert all(fact.detail for fact in facts)


def test_soft_dirty_is_what_the_kernel_was_built_with() -> None:
    config = kernel_config()
    if not config:
        pytest.skip("this kernel does not say how it was built")

    assert soft_dirty_fact().there is (config.get("CONFIG_MEM_SOFT_DIRTY") == "y")
    assert not io_uring_fact().there or config.get("CONFIG_IO_URING") == "y"


def test_looking_for_control_groups_leaves_none() -> None:
    fact = cgroup_fact()

    name = f"harness-doctor-{os.getpid()}"
    left = [folder for folder, folders, _ in os.walk("/sys/fs/cgroup") if name in folders]
    assert left == []
    assert fact.detail.startswith(("v1", "v2")) or not fact.there


def test_a_spin_finds_shares_of_the_cpu() -> None:
    noise = spin(0.05)

    assert noise.spread >= 0
    assert 0 <= noise.other_share <= 1
    assert 0 <= noise.steal_share <= 1
