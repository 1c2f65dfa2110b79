"""pond: versions of a dataset in object storage, mounted through a cache."""

from pond.errors import PondError
from pond.volume import Change, Damage, Version, Volume, create_version, diff, verify

__all__ = [
    "Change",
    "Damage",
    "PondError",
    "Version",
    "Volume",
    "__version__",
    "create_version",
    "diff",
    "verify",
]

__version__ = "0.1.0"
