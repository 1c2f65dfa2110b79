"""What pod promises of variables, values and sharing."""

from __future__ import annotations

import copyreg
import math
import types

import pytest

from harness.oracle import portray
from tests.pod import workshop
from tests.pod.notebook import Notebook
from tests.pod.semantics.promises import promise, variables


@promise(1)
def test_names_of_the_machinery_are_no_variables(notebook: Notebook) -> None:
    notebook.cell(
        "a = 1; __b__ = 2; In = []; Out = {}; _ = __ = ___ = 3; _1 = 4; _23 = 5; _i = _ii = _iii = _i1 = ''"
    )
    notebook.cell("_private = 6; __mangled = 7; b__ = 8; _a1 = 9")
    loaded = notebook.store.load(notebook.save())
    assert variables(loaded) == {"a": 1, "_private": 6, "__mangled": 7, "b__": 8, "_a1": 9}


@promise(2)
def test_a_version_of_some_names(notebook: Notebook) -> None:
    notebook.cell("a = [1]; b = [2]; c = [a]")
    some = notebook.store.save(notebook.ns, names=["a"])
    assert variables(notebook.store.load(some)) == {"a": [1]}
    notebook.cell("b.append(3); a.append(2)")
    notebook.store.save(notebook.ns, names=["a"])
    notebook.save()
    notebook.check()


@promise(3)
def test_a_loaded_namespace_holds_the_version(notebook: Notebook) -> None:
    notebook.cell("a = 1; b = 2")
    first = notebook.save()
    notebook.cell("del a; c = 3")
    assert variables(notebook.store.load(notebook.save())) == {"b": 2, "c": 3}
    assert variables(notebook.store.load(first)) == {"a": 1, "b": 2}


@promise(4)
def test_versions_never_change(notebook: Notebook) -> None:
    cells = [f"a.append({n}); b[{n}] = a" if n else "a = []; b = {}" for n in range(8)]
    notebook.run(*cells)
    loaded = notebook.store.load(min(notebook.versions))
    exec("a.append('x'); b['y'] = 1", loaded)
    notebook.check()
    assert len(notebook.versions) == len(cells)


@promise(5)
def test_any_mapping_can_be_saved(notebook: Notebook) -> None:
    shared = [1]
    plain = types.MappingProxyType({"a": shared, "b": {"k": shared}})
    loaded = notebook.store.load(notebook.store.save(plain))
    assert variables(loaded) == {"a": [1], "b": {"k": [1]}}
    assert loaded["b"]["k"] is loaded["a"]
    shared.append(2)
    assert notebook.store.load(notebook.store.save(plain))["a"] == [1, 2]


@promise(6)
def test_values_are_equal_in_type_and_bits(notebook: Notebook) -> None:
    notebook.cell("a = [True, 1, 1.0, -0.0, float('nan'), b'1', '1', 1 + 0j]; d = {2: 'x', 1: 'y'}")
    loaded = notebook.store.load(notebook.save())
    assert [type(value) for value in loaded["a"]] == [bool, int, float, float, float, bytes, str, complex]
    assert math.copysign(1, loaded["a"][3]) == -1
    assert list(loaded["d"]) == [2, 1]


@promise(7)
@pytest.mark.parametrize(
    "between",
    [
        "b = [a]",
        "b = (a,)",
        "b = {'k': a}",
        "b = (lambda x: lambda: x)(a)",
        "def b(x=a): pass",
        "def b(): return a",
        "class B: held = a\nb = B()",
        "class B: pass\nb = B(); b.x = a",
        "b = a.append",
        "b = iter(a)",
        "import numpy as np\nb = np.empty(1, object); b[0] = a",
        "import pandas as pd\nb = pd.DataFrame({'x': [a]})",
    ],
)
def test_what_was_one_object_is_one_again(between: str, notebook: Notebook) -> None:
    notebook.cell("a = [1]", between)
    tid = notebook.save()
    notebook.check()
    loaded = notebook.store.load(tid)
    before = portray(loaded, ["b"]).digest()
    loaded["a"].append(2)
    assert portray(loaded, ["b"]).digest() != before


@promise(8)
def test_cycles_come_back(notebook: Notebook) -> None:
    notebook.cell(
        "class N: pass\na = []; b = (a, {}); a.append(b); b[1]['b'] = b; n = N(); n.me = n; a.append(n)"
    )
    loaded = notebook.store.load(notebook.save())
    assert loaded["a"][0] is loaded["b"] is loaded["b"][1]["b"]
    assert loaded["b"][0] is loaded["a"]
    assert loaded["n"].me is loaded["n"] is loaded["a"][1]


@promise(9)
def test_identity_is_kept_for_all_but_atoms(notebook: Notebook) -> None:
    notebook.cell(
        "from decimal import Decimal\nimport datetime\n"
        "kept = [(1, 2), frozenset([1, 2]), Decimal('1.5'), datetime.date(2020, 1, 1), range(5), slice(1), bytearray(b'x')]\n"
        "again = list(kept); atoms = [10 ** 30, 1.5, 2j, True, None, 'a b', b'a b']; atoms_again = list(atoms)"
    )
    loaded = notebook.store.load(notebook.save())
    assert [x is y for x, y in zip(loaded["kept"], loaded["again"], strict=True)] == [True] * 7
    assert loaded["atoms"] == loaded["atoms_again"]


@promise(10)
def test_arrays_share_memory_again(notebook: Notebook) -> None:
    notebook.cell("import numpy as np\na = np.zeros((4, 5)); v = a[1:, ::2]; w = {'t': a.T}")
    loaded = notebook.store.load(notebook.save())
    loaded["v"][0, 1] = 7
    assert loaded["a"][1, 2] == loaded["w"]["t"][2, 1] == 7


@promise(11)
def test_a_view_of_what_no_variable_reaches_is_equal(notebook: Notebook) -> None:
    notebook.cell("import numpy as np\nv = np.arange(100)[10:20:3]")
    tid = notebook.save()
    notebook.check()
    assert notebook.store.load(tid)["v"].tolist() == [10, 13, 16, 19]


@promise(12)
def test_frames_do_not_write_into_each_other(notebook: Notebook) -> None:
    notebook.cell(
        "import pandas as pd\ndf = pd.DataFrame({'a': [1, 2], 'b': [3, 4]}); s = df['a']; d = df[['a']]"
    )
    loaded = notebook.store.load(notebook.save())
    loaded["s"].iloc[0] = 9
    loaded["d"].iloc[1, 0] = 8
    loaded["df"].iloc[0, 1] = 7
    assert loaded["df"].to_dict("list") == {"a": [1, 2], "b": [7, 4]}
    assert loaded["s"].tolist() == [9, 2]
    assert loaded["d"]["a"].tolist() == [1, 8]


@promise(12)
def test_frames_that_hold_one_array_do_not_write_into_each_other(notebook: Notebook) -> None:
    notebook.cell(
        "import numpy as np, pandas as pd\n"
        "df = pd.DataFrame(np.arange(4).reshape(2, 2)); e = df.astype(df.dtypes[0])\n"
        "s = pd.Series([1, 2]); t = s.astype(s.dtype)"
    )
    loaded = notebook.store.load(notebook.save())
    loaded["e"].iloc[0, 0] = 9
    loaded["t"].iloc[0] = 9
    assert loaded["df"].iloc[0, 0] == 0
    assert loaded["s"].tolist() == [1, 2]


@promise(13)
def test_what_can_be_imported_is_kept_by_name(notebook: Notebook) -> None:
    notebook.cell(
        "from tests.pod import workshop\nimport math\nput = workshop.put; Tool = workshop.Tool; t = Tool([1])"
    )
    loaded = notebook.store.load(notebook.save())
    assert loaded["math"] is math
    assert loaded["workshop"] is workshop
    assert loaded["put"] is workshop.put
    assert type(loaded["t"]) is loaded["Tool"] is workshop.Tool


@promise(14)
def test_what_the_session_defines_is_kept_by_value(notebook: Notebook) -> None:
    notebook.cell("class C:\n reg = [1]\n def m(self): return self.reg\ndef f(): return C().m()")
    loaded = notebook.store.load(notebook.save())
    notebook.cell("C.reg.append(2)\ndef f(): return None")
    assert loaded["C"] is not notebook.ns["C"]
    assert loaded["f"]() == [1]


@promise(15)
def test_global_binds_in_the_loaded_namespace(notebook: Notebook) -> None:
    notebook.cell("x = 1\ndef f():\n global x, y\n x = x + 1\n y = 'new'")
    loaded = notebook.store.load(notebook.save())
    assert loaded["f"].__globals__ is loaded
    loaded["f"]()
    assert (loaded["x"], loaded["y"], notebook.ns["x"]) == (2, "new", 1)


@promise(16)
def test_a_part_shares_as_the_whole(notebook: Notebook) -> None:
    notebook.cell("a = [1]; b = (a,); c = {'b': b}; d = [a]; x = 5\ndef f(): return g()\ndef g(): return x")
    tid = notebook.save()
    part = notebook.store.load(tid, names=["b", "d"])
    assert variables(part) == {"b": ([1],), "d": [[1]]}
    assert part["b"][0] is part["d"][0]
    functions = notebook.store.load(tid, names=["f"])
    assert set(variables(functions)) == {"f"}
    assert functions["f"]() == 5


@promise(17)
@pytest.mark.parametrize(
    ("registered", "kept"), [("(C, E)", "by copyreg"), ("every(BaseException)", "by the class")]
)
def test_what_copyreg_has_for_a_class_is_kept(
    registered: str, kept: str, notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copyreg, "dispatch_table", dict(copyreg.dispatch_table))
    notebook.cell(
        "import copyreg\nclass C: how = 'by the class'\nclass E(C, Exception): pass",
        "def every(cls): return {cls}.union(*map(every, type.__subclasses__(cls)))",
        "def make(cls):\n made = cls(); made.how = 'by copyreg'; return made",
        "def reduce(obj): return make, (type(obj),)",
        f"for cls in {registered}: copyreg.dispatch_table[cls] = reduce",
        "e = E(); del cls",
    )
    assert notebook.store.load(notebook.save())["e"].how == kept


@promise(17)
def test_what_an_object_does_not_tell_is_lost(notebook: Notebook) -> None:
    notebook.cell(
        "try: 1 / 0\nexcept ZeroDivisionError as error: e = error\nimport random\nr = random.Random(1); r.note = 1"
    )
    loaded = notebook.store.load(notebook.save())
    assert loaded["e"].__traceback__ is None
    assert loaded["e"].args == ("division by zero",)
    assert not hasattr(loaded["r"], "note")
    assert loaded["r"].random() == notebook.ns["r"].random()
