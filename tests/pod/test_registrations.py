"""What copyreg says is followed, and what an import registers for all exceptions alike changes nothing."""

from __future__ import annotations

import copyreg
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pod.log import Log
from tests.pod.kinds import MUST
from tests.pod.notebook import Notebook, run_python

EXCEPTIONS = {
    **{kind: source for kind, source in MUST.items() if "xception" in kind or "Queue" in kind},
    "raised": "try: 1 / 0\nexcept Exception as error: x = error",
    "caused": "try:\n try: 1 / 0\n except Exception as error: raise KeyError('k') from error\nexcept KeyError as error: x = [error]",
    "group": "x = ExceptionGroup('all', [ValueError(1), OSError(2, 'no', 'file')])",
    "own": "class E(Exception):\n def __init__(self, a, b): super().__init__(f'{a} of {b}'); self.a = [a]\nx = E(1, 2)",
}


def _digests(folder: Path, source: str) -> list[str]:
    with Notebook(folder) as notebook:
        notebook.run(source)
        assert all(report.unsaved == () for report in notebook.reports.values())
    log = Log.open(folder)
    try:
        return sorted(digest.hex() for digest in log.digests())
    finally:
        log.close()


def _all_exceptions(cls: type[BaseException] = BaseException) -> Iterator[type[BaseException]]:
    yield cls
    for below in type.__subclasses__(cls):
        yield from _all_exceptions(below)


def _stand_in(*_: object) -> str:
    return "no exception"


def _reduce_to_a_stand_in(_obj: object) -> tuple[Any, ...]:
    return _stand_in, ()


@pytest.fixture
def blanket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register for all exceptions and for tracebacks, as tblib does."""
    for cls in {*_all_exceptions(), types.TracebackType}:
        monkeypatch.setitem(copyreg.dispatch_table, cls, _reduce_to_a_stand_in)


@pytest.mark.parametrize("kind", EXCEPTIONS)
def test_what_is_registered_for_all_exceptions_changes_no_digest(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    without = _digests(tmp_path / "without", EXCEPTIONS[kind])
    request.getfixturevalue("blanket")
    with Notebook(tmp_path / "with") as notebook:
        notebook.cell(EXCEPTIONS[kind])
        notebook.save()
    log = Log.open(tmp_path / "with")
    assert sorted(digest.hex() for digest in log.digests()) == without
    log.close()


def test_what_is_registered_for_tracebacks_does_not_save_them(tmp_path: Path, blanket: None) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell("try: 1 / 0\nexcept Exception as e: x = e.__traceback__", "y = [1]")
        report = notebook.store.save(notebook.ns)
        assert [(each.name, each.type) for each in report.unsaved] == [("x", "traceback")]
        assert dict(notebook.store.load(report)) == {"y": [1]}


_SAVE = """
import json, sys
for module in sys.argv[2:]:
    __import__(module)
import copyreg, pod
from pod.log import Log
found = {"registered": len([cls for cls in copyreg.dispatch_table if issubclass(cls, BaseException)])}
for kind, source in json.load(sys.stdin).items():
    folder = f"{sys.argv[1]}/{len(found)}"
    ns = pod.new_managed_namespace()
    exec(source, ns)
    with pod.open(folder) as store:
        store.save(ns)
    log = Log.open(folder)
    found[kind] = sorted(digest.hex() for digest in log.digests())
    log.close()
print(json.dumps(found))
"""


def test_a_process_that_imported_dask_saves_the_same(tmp_path: Path) -> None:
    import json

    runs = {}
    for name, modules in (("without", ()), ("with", ("distributed",))):
        (tmp_path / name).mkdir()
        done = run_python(_SAVE, tmp_path / name, *modules, stdin=json.dumps(EXCEPTIONS))
        runs[name] = json.loads(done.stdout)
    assert runs["without"].pop("registered") == 0
    assert runs["with"].pop("registered") > 100
    assert runs["with"] == runs["without"]


_OWN = """
import copyreg
class C:
    def __init__(self, x): self.x = x; self.made = 'by init'
def make(x, C=C):
    c = C(x); c.made = 'by make'; return c
def take(c): return make, (c.x,)
copyreg.pickle(C, take)
c = C([1]); l = [c.x]
"""
_OWN_EXCEPTION = _OWN.replace("class C:", "class C(Exception):")


@pytest.mark.parametrize("source", [_OWN, _OWN_EXCEPTION], ids=["class", "exception"])
@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside one for all"])
def test_what_is_registered_for_a_class_is_followed(
    source: str, beside: bool, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if beside:
        request.getfixturevalue("blanket")
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell(source)
        try:
            loaded = notebook.store.load(notebook.store.save(notebook.ns))
        finally:
            copyreg.dispatch_table.pop(dict.__getitem__(notebook.ns, "C"))
        assert (loaded["c"].x, loaded["c"].made) == ([1], "by make")
        assert loaded["l"][0] is loaded["c"].x


@pytest.mark.parametrize(
    "source",
    [
        "class E(Exception):\n def __init__(self, a, b): super().__init__(f'{a} of {b}'); self.a = [a]\nx = E(1, 2)",
        "class E(FileNotFoundError):\n def __init__(self, path): super().__init__(2, 'no', path); self.more = 1\nx = E('p')",
        "class E(ImportError):\n def __init__(self, n): super().__init__('no', name=n)\nx = E('module')",
        "class E(Exception):\n def __new__(cls, a, b): return super().__new__(cls, a)\n def __init__(self, a, b): pass\nx = E(1, 2)",
    ],
    ids=["other arguments", "of the system", "of an import", "own __new__"],
)
def test_an_exception_is_made_without_its_own_init(source: str, tmp_path: Path) -> None:
    with Notebook(tmp_path / "store") as notebook:
        notebook.cell(source)
        x = notebook.ns["x"]
        y = notebook.store.load(notebook.save())["x"]
        assert (y.args, vars(y), str(y)) == (x.args, vars(x), str(x))
        for name in ("errno", "filename", "name"):
            assert getattr(y, name, None) == getattr(x, name, None)
