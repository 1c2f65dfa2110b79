"""A mount without root, through fusermount3, which is set-uid root.

Run by root (as CI often is), the test becomes nobody in a mount namespace of its own, whose /dev/fuse anybody may open, as
udev leaves it on an ordinary system. The one right it keeps is to read any path: the clone may lie in root's home.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

AS_NOBODY = """
set -e
# In a chroot / is no mount point; what is mounted below /dev is all that must stay apart.
mount --make-rprivate / 2>/dev/null || mount --make-rprivate /dev
mount -t tmpfs -o mode=1777 none /dev/shm
mknod -m 0666 /dev/shm/fuse c 10 229
mount --bind /dev/shm/fuse /dev/fuse
exec setpriv --reuid 65534 --regid 65534 --clear-groups \\
  --inh-caps -all,+dac_read_search --ambient-caps -all,+dac_read_search "$@"
"""
SCENARIO = """
set -e
cd "$HOME"
mkdir data mnt
printf 'read without root' >data/file
"$PYTHON" -m pond create data volume v1 >&2
"$PYTHON" -m pond mount volume mnt --background >&2
trap '"$PYTHON" -m pond umount mnt >&2' EXIT
cat mnt/file
printf '\\n'
grep -F "$PWD/mnt " /proc/self/mountinfo
"""


def unprivileged() -> list[str]:
    """Return what to put before a command so that it runs without root."""
    if os.geteuid() != 0:
        return []
    for tool in ("unshare", "setpriv"):
        if shutil.which(tool) is None:
            pytest.skip(f"FUSE without root: {tool} is not installed")
    return ["unshare", "--mount", "--propagation", "unchanged", "sh", "-c", AS_NOBODY, "sh"]


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder for anybody, on a path that anybody may walk; pytest's own folders are their owner's alone."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        path.chmod(0o777)
        yield path


@pytest.mark.fuse
def test_a_mount_needs_no_root(home: Path) -> None:
    done = subprocess.run(
        [*unprivileged(), "sh", "-c", SCENARIO],
        env=os.environ | {"HOME": str(home), "PYTHON": sys.executable, "XDG_RUNTIME_DIR": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    content, mount = done.stdout.splitlines()
    assert content == "read without root"
    assert "fuse.pond" in mount
    assert f"user_id={os.geteuid() or 65534}" in mount
