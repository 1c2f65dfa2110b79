"""Where objects are kept: S3, a folder, or memory, behind one small protocol."""

from pond.store._file import FileStore
from pond.store._object import ClientStore, RetryPolicy
from pond.store._open import open_store
from pond.store._protocol import ObjectInfo, ObjectStore

__all__ = ["ClientStore", "FileStore", "ObjectInfo", "ObjectStore", "RetryPolicy", "open_store"]
