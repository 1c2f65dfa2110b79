"""Looking after a store: whether its bytes are whole, what is thrown away, and versions that go from store to store."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pod.errors import NoSuchVersion
from pod.log import Log
from pod.store._arguments import checked_keep
from pod.store._history import History
from pod.store._lacking import lacking
from pod.store._record import Record, Walked, reachable
from pod.store._report import SaveReport, Unsaved

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from pod.log import Damage, GcReport, Progress


class Keeping(History):
    """How a store is looked after."""

    def verify(self, progress: Progress | None = None) -> list[Damage]:
        """Read every byte of the store; return what is damaged, and what versions lack."""
        with self._guard:
            self._settle()
            return [*self._log.verify(progress), *lacking(self._log)]

    def gc(self, keep: int | Iterable[int | str] | None = None, progress: Progress | None = None) -> GcReport:
        """Throw away versions, and the bytes that no version needs.

        Parameters
        ----------
        keep
            The newest so many, or these versions; None: all. Tagged versions and branches' are kept in any case.
        """
        with self._guard:
            self._settle()
            checked = checked_keep(keep)
            return self._log.gc(lambda: self._kept(checked), progress)

    def _kept(self, keep: int | list[int | str] | None) -> tuple[dict[int, bytes], set[bytes]]:
        """Return the records of the versions to keep, and the pieces that they need."""
        tids = self._log.tids()
        refs = self._log.refs()
        if keep is None:
            kept = set(tids)
        elif isinstance(keep, int):
            kept = set(tids[len(tids) - min(keep, len(tids)) :])
        else:
            kept = {self._resolve(version) for version in keep}
        kept |= set(refs.values())
        records = {tid: self._log.record(tid) for tid in sorted(kept)}
        read, walked = self._log.read, Walked()
        return records, {
            digest for data in records.values() for digest in reachable(Record.parse(data), read, walked)
        }

    def export(
        self, version: int | str, target: str | os.PathLike[str], progress: Progress | None = None
    ) -> int:
        """Write a version into one file, which `import_` reads; return its size in bytes."""
        with self._guard:
            data = self._log.record(self._resolve(version))
            digests = list(dict.fromkeys(reachable(Record.parse(data), self._log.read)))
            return self._log.export(target, data, digests, progress=progress)

    def import_(
        self, source: str | os.PathLike[str], *, trust: bool = False, progress: Progress | None = None
    ) -> SaveReport:
        """Add a version that `export` wrote. `trust` it if another user did: loading it runs that user's code.

        Raises
        ------
        Untrusted
            Another user wrote it.
        """
        with self._guard:
            self._settle()
            with Log.open_export(source, trust=trust) as other:
                tid = other.head()
                if tid is None:
                    raise NoSuchVersion(f"{source}: the file holds no version")
                data = other.record(tid)
                record = Record.parse(data)
                digests = list(dict.fromkeys(reachable(record, other.read)))
                done, total = 0, sum(map(other.size, digests))
                with self._log.begin() as transaction:
                    for digest in digests:
                        transaction.put(digest, [other.read(digest)])
                        done += other.size(digest)
                        if progress is not None:
                            progress(done, total)
                    own = replace(record, parent=None, branch=None, bytes_written=transaction.bytes_written)
                    new = transaction.commit(own.pack())
                    return SaveReport(
                        new,
                        message=record.message,
                        time_s=record.time_ns / 1e9,
                        bytes_written=transaction.bytes_written,
                        unsaved=tuple(Unsaved(*found) for found in record.unsaved),
                    )

    def stats(self) -> dict[str, int | float | str]:
        """Return how much the store holds."""
        with self._guard:
            self._settle()
            self._log.head()
            found = self._log.stats()
            return {name: getattr(found, name) for name in found.__dataclass_fields__}
