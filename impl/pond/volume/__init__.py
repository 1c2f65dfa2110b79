"""A volume is a dataset under one prefix; a version is one immutable snapshot of it."""

from pond.volume._address import Address, check_version_name, manifest_key, parse_address
from pond.volume._compare import Change, Damage, diff, runs, verify
from pond.volume._create import create_version
from pond.volume._read import read_file
from pond.volume._volume import StoredPack, Version, Volume

__all__ = [
    "Address",
    "Change",
    "Damage",
    "StoredPack",
    "Version",
    "Volume",
    "check_version_name",
    "create_version",
    "diff",
    "manifest_key",
    "parse_address",
    "read_file",
    "runs",
    "verify",
]
