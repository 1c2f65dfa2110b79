"""A version as a tree of files, without FUSE."""

from pond.filesystem._control import CONTROL_FOLDER_INO
from pond.filesystem._errno import errno_of
from pond.filesystem._filesystem import ROOT_INO, Attributes, Filesystem, Read, Snapshot, Usage

__all__ = [
    "CONTROL_FOLDER_INO",
    "ROOT_INO",
    "Attributes",
    "Filesystem",
    "Read",
    "Snapshot",
    "Usage",
    "errno_of",
]
