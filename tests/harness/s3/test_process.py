"""Servers as children: what starts, what ends them, what is left."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.errors import NotInstalled
from harness.s3 import PROFILES, S3ServerError, start_s3, start_sim
from harness.s3._seaweedfs import counters_from_metrics, find_weed
from harness.s3.cli import app

STARTER = """
import sys, threading
from pathlib import Path
from harness.s3 import start_s3
with start_s3(sys.argv[1], Path(sys.argv[2])) as server:
    print(server.pid, flush=True)
    threading.Event().wait()
"""


def wait_until_gone(pid: int) -> bool:
    """Whether the process ends within 20 s."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([fd], [], [], 20)[0])
    finally:
        os.close(fd)


@pytest.mark.s3
@pytest.mark.parametrize("kind", ["sim", "seaweedfs"])
def test_a_server_dies_with_its_parent(tmp_path, kind):
    if kind == "seaweedfs":
        try:
            find_weed()
        except NotInstalled as error:
            pytest.skip(f"not installed: {error}")
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, kind, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as starter:
        server = int(starter.stdout.readline())
        starter.kill()
        assert wait_until_gone(server)
    assert starter.returncode == -signal.SIGKILL


@pytest.mark.s3
def test_a_server_is_gone_when_its_context_is_left(tmp_path):
    with start_s3("sim", tmp_path) as server:
        assert server.kind == "sim"
        assert Path(f"/proc/{server.pid}").exists()
    assert wait_until_gone(server.pid)
    assert (tmp_path / "sim.log").read_text() == ""


@pytest.mark.s3
def test_a_server_runs_where_it_is_told_to(tmp_path):
    cpu = min(os.sched_getaffinity(0))
    with start_s3("sim", tmp_path, cpus=[cpu]) as server:
        assert os.sched_getaffinity(server.pid) == {cpu}


@pytest.mark.s3
def test_a_folder_in_use_is_refused_in_one_line(tmp_path):
    with (
        start_s3("sim", tmp_path),
        pytest.raises(S3ServerError, match="database is locked"),
        start_s3("sim", tmp_path),
    ):
        raise AssertionError("two servers share a folder")


@pytest.mark.s3
def test_a_port_in_use_is_refused_in_one_line(tmp_path, sim):
    with (
        pytest.raises(S3ServerError, match=r"cannot listen on 127\.0\.0\.1"),
        start_sim(tmp_path, model=PROFILES["none"], port=sim.port),
    ):
        raise AssertionError("two servers share a port")


@pytest.mark.s3
def test_an_endpoint_is_used_as_it_is(sim, tmp_path, monkeypatch):
    for name, value in sim.env.items():
        monkeypatch.setenv(name, value)
    with start_s3(sim.endpoint, tmp_path) as server:
        assert (server.kind, server.endpoint, server.pid) == ("external", sim.endpoint, None)
        assert (server.counters(), server.cpu_s()) == (None, None)
        assert server.env["AWS_SECRET_ACCESS_KEY"] == sim.env["AWS_SECRET_ACCESS_KEY"]
        with pytest.raises(S3ServerError, match="cannot imitate"):
            server.set_profile("aws")


@pytest.mark.s3
def test_an_endpoint_without_the_bucket_is_refused(sim, tmp_path, monkeypatch):
    for name, value in sim.env.items():
        monkeypatch.setenv(name, value)
    with (
        pytest.raises(S3ServerError, match="no-such-bucket"),
        start_s3(sim.endpoint, tmp_path, bucket="no-such-bucket"),
    ):
        raise AssertionError("there is no such bucket")


def test_an_unknown_kind_is_refused(tmp_path):
    with pytest.raises(S3ServerError, match="there are sim, seaweedfs"):
        start_s3("minio", tmp_path)


def test_an_unknown_profile_is_refused(tmp_path):
    with pytest.raises(S3ServerError, match="there are aws, aws-fast, none"):
        start_s3("sim", tmp_path, profile="mars")


def test_counters_of_seaweedfs():
    text = """# TYPE SeaweedFS_s3_request_total counter
SeaweedFS_s3_request_total{bucket="b",code="200",type="GET"} 7
SeaweedFS_s3_request_total{bucket="b",code="404",type="GET"} 1
SeaweedFS_s3_request_total{bucket="b",code="500",type="PUT"} 2
SeaweedFS_s3_request_total{bucket="",code="200",type="STRANGE"} 1
SeaweedFS_s3_bucket_traffic_sent_bytes_total{bucket="b"} 1.5e+06
SeaweedFS_s3_bucket_traffic_received_bytes_total{bucket="b"} 12
"""
    found = counters_from_metrics(text)
    assert (found.get, found.put, found.other, found.errors) == (8, 2, 1, 2)
    assert (found.bytes_out, found.bytes_in) == (1_500_000, 12)


@pytest.mark.s3
def test_the_command_prints_how_to_use_it_and_leaves_nothing(tmp_path):
    code = "from harness.s3.cli import app; app()"
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", code, "sim", "--profile", "none"],
        stdout=subprocess.PIPE,
        text=True,
        env=environ,
    ) as command:
        lines = [command.stdout.readline()]
        while not lines[-1].startswith("export AWS_EC2_METADATA_DISABLED"):
            lines.append(command.stdout.readline())
        endpoint = next(
            line for line in lines if line.startswith("export AWS_ENDPOINT_URL=http://127.0.0.1:")
        )
        command.send_signal(signal.SIGINT)
        assert command.wait(20) == 0
    assert "bucket bench" in lines[0]
    assert endpoint.strip()[-1].isdigit()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["sim", "--profile", "mars"], "aws, aws-fast, none"),
        (["sim", "--port", "99999"], "65535"),
        (["sim", "--requests-per-s", "0"], "0.001"),
        (["typo"], "typo"),
    ],
)
def test_bad_usage_exits_2(arguments, reason):
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, arguments)
    assert result.exit_code == 2
    assert reason in result.stderr


def test_a_failure_is_one_line(tmp_path):
    with contextlib.suppress(FileExistsError):
        (tmp_path / "sim").write_text("a file, not a folder")
    result = CliRunner().invoke(app, ["sim", "--folder", str(tmp_path)])
    assert result.exit_code == 1
    assert result.stderr.startswith("harness s3 sim: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["sim", "seaweedfs"])
def test_help_has_an_example(command):
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "Example:" in result.stdout
