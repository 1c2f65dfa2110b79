"""S3 servers for the harness: sim with its network model, SeaweedFS, or any endpoint, behind one protocol."""

from __future__ import annotations

from harness.s3._counters import S3Counters
from harness.s3._errors import S3ServerError
from harness.s3._faults import FAULT_KINDS, Fault
from harness.s3._network import PROFILES, NetworkModel
from harness.s3._servers import S3Server
from harness.s3._sim_process import SimProcess, start_sim
from harness.s3._start import start_s3

__all__ = [
    "FAULT_KINDS",
    "PROFILES",
    "Fault",
    "NetworkModel",
    "S3Counters",
    "S3Server",
    "S3ServerError",
    "SimProcess",
    "start_s3",
    "start_sim",
]
