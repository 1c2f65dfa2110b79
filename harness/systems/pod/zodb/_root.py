"""A database whose root has the variables, and how a save puts them there: all of them, in one transaction.

In-place changes of plain lists and dicts are nothing that ZODB sees; so its users assign what may have changed.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

from harness.systems.pod._files import sync_folder
from harness.systems.pod._picklers import Dill, Session
from harness.systems.pod._refused import LeavingOut

__all__ = ["LEFTOVER", "Database", "DillRoot", "PlainRoot", "Root", "root_of"]

LEFTOVER: Final = ".tmp"
"""What FileStorage appends to the name of its file for a transaction that is being stored; it stays when it is closed."""
_VARIABLES: Final = "variables"


class Root(Protocol):
    """How variables are kept in a database's root."""

    about: ClassVar[str]
    saves_code: ClassVar[bool]

    def put(self, root: Any, variables: Mapping[str, Any]) -> None: ...
    def get(self, root: Mapping[str, Any]) -> dict[str, Any]: ...
    def attempt(self, variables: Mapping[str, Any]) -> None:
        """Pickle as a commit does, and keep nothing."""


class PlainRoot:
    """One entry per variable. Being no persistent objects, they are one record: what they share stays shared."""

    about: ClassVar[str] = "zodbpickle, compiled, protocol 3"
    saves_code: ClassVar[bool] = False

    def put(self, root: Any, variables: Mapping[str, Any]) -> None:
        for name in [name for name in root if name not in variables]:
            del root[name]
        root.update(variables)

    def get(self, root: Mapping[str, Any]) -> dict[str, Any]:
        return dict(root)

    def attempt(self, variables: Mapping[str, Any]) -> None:
        from ZODB._compat import Pickler, _protocol

        Pickler(io.BytesIO(), _protocol).dump(variables)


class DillRoot:
    """The handicap of the published comparison, which put dill's pure-Python pickler in the place of ZODB's own."""

    about: ClassVar[str] = Dill.about
    saves_code: ClassVar[bool] = True

    def __init__(self) -> None:
        self._dill = Dill()

    def put(self, root: Any, variables: Mapping[str, Any]) -> None:
        file = io.BytesIO()
        self._dill.dump(dict(variables), file)
        root[_VARIABLES] = file.getvalue()

    def get(self, root: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = self._dill.load(io.BytesIO(root[_VARIABLES]))
        return found

    def attempt(self, variables: Mapping[str, Any]) -> None:
        self._dill.dump(variables, io.BytesIO())


def root_of(fidelity: str) -> Root:
    """Return how a fidelity keeps variables."""
    return DillRoot() if fidelity == "paper" else PlainRoot()


class Database:
    """One FileStorage, with the transactions of its own."""

    def __init__(self, path: Path, root: Root) -> None:
        import transaction
        from ZODB.DB import DB
        from ZODB.FileStorage import FileStorage

        self._path = path
        self._root = root
        self._transactions = transaction.TransactionManager()
        # By default it warns of each record of 16 MiB; a session is a larger one.
        self._db = DB(FileStorage(str(path)), large_record_size=sys.maxsize)
        sync_folder(path.parent)

    def save(
        self, variables: Mapping[str, Any], session: Session, leaving_out: LeavingOut
    ) -> tuple[str, dict[str, str]]:
        """Commit, which syncs the file; return the serial of the root, and what was refused."""
        connection = self._db.open(self._transactions)

        def write(some: Mapping[str, Any]) -> None:
            try:
                self._root.put(connection.root(), some)
                self._transactions.commit()
            except BaseException:
                self._transactions.abort()
                raise

        try:
            with session.as_main():
                refused = leaving_out.save(variables, write)
            serial: bytes = connection.root()._p_serial
            return serial.hex(), refused
        finally:
            connection.close()

    def load(self, serial: str | None, session: Session, names: Sequence[str] | None) -> dict[str, Any]:
        """Return variables as of a transaction; None: as they are now."""
        at = None if serial is None else bytes.fromhex(serial)
        connection = self._db.open(self._transactions, at=at)
        try:
            return session.load(lambda: self._root.get(connection.root()), names)
        finally:
            connection.cacheMinimize()  # else a second load would find the objects of the first
            connection.close()

    def close(self, *, tidy: bool) -> None:
        """Close the file; `tidy` removes what FileStorage leaves behind."""
        self._db.close()
        if tidy:
            self._path.with_name(self._path.name + LEFTOVER).unlink(missing_ok=True)
