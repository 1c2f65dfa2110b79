"""The oracle sees every difference in value or sharing, and none where there is none."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

from harness.oracle import Portrait, differences, portray


def portrait(source: str) -> Portrait:
    namespace: dict[str, object] = {"__name__": "__main__"}
    exec(compile(source, "<session>", "exec", dont_inherit=True), namespace)
    return portray(namespace)


_CLASS = """
class C:
    items = []
    def __init__(self, value=None):
        self.value = value
    def get(self):
        return self.value
"""
_COUNTER = """
def make():
    n = [0]
    m = 0
    def up():
        nonlocal m
        m += 1
        n.append(m)
        return m
    def get():
        return m, n
    return up, get
"""

# Each pair differs in one thing.
PAIRS = {
    "value": ("a = [1, 2]", "a = [1, 3]"),
    "type of an atom": ("a = [1]", "a = [True]"),
    "int or float": ("a = [1]", "a = [1.0]"),
    "signed zero": ("a = 0.0", "a = -0.0"),
    "signed zero in a complex": ("a = complex(0.0, 1)", "a = complex(-0.0, 1)"),
    "str or bytes": ("a = 'x'", "a = b'x'"),
    "subclass of an atom": ("class S(str): pass\na = S('x')", "class S(str): pass\na = 'x'"),
    "length": ("a = [1, 2]", "a = [1, 2, 3]"),
    "tuple or list": ("a = [1]", "a = (1,)"),
    "order of a dict": ("a = {1: 1, 2: 2}", "a = {2: 2, 1: 1}"),
    "name missing": ("a = 1; b = 1", "a = 1"),
    "alias lost": ("a = [1]; b = a", "a = [1]; b = [1]"),
    "alias gained": ("a = [1]; b = [1]", "a = [1]; b = a"),
    "alias in a list": ("x = [1]; a = [x, x]; del x", "a = [[1], [1]]"),
    "alias of an empty list": ("a = []; b = a", "a = []; b = []"),
    "alias of a tuple": ("a = (1, []); b = a", "a = (1, []); b = (1, a[1])"),
    "alias across a tuple": ("a = [1]; b = (a,)", "a = [1]; b = ([1],)"),
    "alias in a set": ("a = (1, 2); b = {a}", "a = (1, 2); b = {tuple([1, 2])}"),
    "alias of dict keys": ("a = (1, 2); b = {a: 1}", "a = (1, 2); b = {tuple([1, 2]): 1}"),
    "which alias": ("a = [1]; b = [1]; c = a", "a = [1]; b = [1]; c = b"),
    "cycle": ("a = []; a.append(a)", "a = []; a.append([a])"),
    "cycle of two": ("a = []; b = [a]; a.append(b)", "a = []; b = [a]; a.append([a])"),
    "set member": ("a = {1, 2}", "a = {1, 3}"),
    "set of objects": (_CLASS + "a = {C(1), C(2)}", _CLASS + "a = {C(1), C(1)}"),
    "set or frozenset": ("a = {1}", "a = frozenset({1})"),
    "instance's value": (_CLASS + "a = C(1)", _CLASS + "a = C(2)"),
    "instance's dict held elsewhere": (
        _CLASS + "a = C(1); b = vars(a)",
        _CLASS + "a = C(1); b = dict(vars(a))",
    ),
    "class of an instance": (
        _CLASS + "a = C(1)",
        _CLASS + "a = type('C', (C,), {})(1)",
    ),
    "class attribute": (_CLASS + "a = C(1)", _CLASS + "a = C(1); C.items.append(1)"),
    "class attribute shared": (_CLASS + "a = C.items", _CLASS + "a = []"),
    "two classes": (_CLASS + "a = C(); b = C()", _CLASS + "a = C()\n" + _CLASS + "b = C()"),
    "method": (_CLASS, _CLASS.replace("return self.value", "return [self.value]")),
    "base class": (_CLASS + "class D(C): pass", _CLASS + "class D: pass"),
    "slots": (
        "class S:\n __slots__ = ('x', 'y')\na = S(); a.x = 1",
        "class S:\n __slots__ = ('x', 'y')\na = S(); a.y = 1",
    ),
    "list subclass's attribute": (
        "class L(list): pass\na = L([1]); a.x = 1",
        "class L(list): pass\na = L([1]); a.x = 2",
    ),
    "list subclass's content": ("class L(list): pass\na = L([1])", "class L(list): pass\na = L([2])"),
    "set subclass's content": ("class L(set): pass\na = L([1])", "class L(set): pass\na = L([2])"),
    "code": ("def f(): return 1", "def f(): return 2"),
    "code within": ("def f():\n def g(): return 1\n return g", "def f():\n def g(): return 2\n return g"),
    "default": ("def f(x=[1]): return x", "def f(x=[2]): return x"),
    "default shared": ("d = [1]\ndef f(x=d): return x", "d = [1]\ndef f(x=[1]): return x"),
    "keyword default": ("def f(*, x=1): return x", "def f(*, x=2): return x"),
    "attribute of a function": ("def f(): pass\nf.x = 1", "def f(): pass\nf.x = 2"),
    "global of a function": (
        "x = [1]\ndef f(): return x\ng = {'f': f}",
        "x = [1]\nns = {'x': [1], '__name__': '__main__'}\nexec('def f(): return x', ns)\nf = ns['f']\n"
        "del ns\ng = {'f': f}",
    ),
    "cell": (_COUNTER + "up, get = make()", _COUNTER + "up, get = make(); up()"),
    "cell shared": (_COUNTER + "up, get = make()", _COUNTER + "up, _ = make(); _, get = make(); del _"),
    "bound method": (_CLASS + "a = C(1); b = a.get", _CLASS + "a = C(1); b = C(1).get"),
    "method of a builtin": ("a = [1]; b = a.append", "a = [1]; b = [1].append"),
    "iterator's place": ("a = [1, 2]; b = iter(a)", "a = [1, 2]; b = iter(a); next(b)"),
    "iterator's list": ("a = [1, 2]; b = iter(a)", "a = [1, 2]; b = iter([1, 2])"),
    "zip": ("a = [1]; b = zip(a, a)", "a = [1]; b = zip(a, [1])"),
    "partial": (
        "from functools import partial\na = [1]; b = partial(print, a)",
        "from functools import partial\na = [1]; b = partial(print, [1])",
    ),
    "defaultdict's content": (
        "from collections import defaultdict as d\na = d(list); a[1].append(1)",
        "from collections import defaultdict as d\na = d(list); a[1].append(2)",
    ),
    "deque": (
        "from collections import deque\na = deque([1], 3)",
        "from collections import deque\na = deque([1], 4)",
    ),
    "order of an OrderedDict": (
        "from collections import OrderedDict as o\na = o(x=1, y=2)",
        "from collections import OrderedDict as o\na = o(y=2, x=1)",
    ),
    "datetime": (
        "import datetime as d\na = d.datetime(2020, 1, 1, fold=0)",
        "import datetime as d\na = d.datetime(2020, 1, 1, fold=1)",
    ),
    "alias of a Decimal": (
        "from decimal import Decimal as D\na = D('1.0'); b = a",
        "from decimal import Decimal as D\na = D('1.0'); b = D('1.0')",
    ),
    "Decimal's digits": (
        "from decimal import Decimal as D\na = D('1.0')",
        "from decimal import Decimal as D\na = D('1.00')",
    ),
    "Random": ("import random\na = random.Random(1)", "import random\na = random.Random(1); a.random()"),
    "module": ("import math as m", "import cmath as m"),
    "bytearray": ("a = bytearray(b'x')", "a = bytearray(b'y')"),
    "memoryview": (
        "a = bytearray(b'xy'); b = memoryview(a)",
        "a = bytearray(b'xy'); b = memoryview(bytearray(b'xy'))",
    ),
    "array's value": ("import numpy as np\na = np.arange(4)", "import numpy as np\na = np.arange(4); a[3] = 0"),
    "array's dtype": ("import numpy as np\na = np.zeros(4)", "import numpy as np\na = np.zeros(4, 'i8')"),
    "array's shape": ("import numpy as np\na = np.zeros((2, 3))", "import numpy as np\na = np.zeros((3, 2))"),
    "array's order": ("import numpy as np\na = np.ones((2, 3))", "import numpy as np\na = np.ones((2, 3), order='F')"),
    "array that cannot be written": (
        "import numpy as np\na = np.zeros(4)",
        "import numpy as np\na = np.zeros(4); a.flags.writeable = False",
    ),
    "array of objects": (
        "import numpy as np\nx = [1]; a = np.empty(2, object); a[0] = x",
        "import numpy as np\nx = [1]; a = np.empty(2, object); a[0] = [1]",
    ),
    "view lost": (
        "import numpy as np\na = np.arange(9); b = a[2:5]",
        "import numpy as np\na = np.arange(9); b = a[2:5].copy()",
    ),
    "view of another": (
        "import numpy as np\na = np.zeros(9); c = np.zeros(9); b = a[2:5]",
        "import numpy as np\na = np.zeros(9); c = np.zeros(9); b = c[2:5]",
    ),
    "view's offset": (
        "import numpy as np\na = np.zeros(9); b = a[2:5]",
        "import numpy as np\na = np.zeros(9); b = a[3:6]",
    ),
    "views of what has no name": (
        "import numpy as np\na = np.arange(9); b = a[2:5]; c = a[4:6]; del a",
        "import numpy as np\na = np.arange(9); b = a[2:5]; c = a[4:6].copy(); del a",
    ),
    "view of a buffer": (
        "import numpy as np\na = bytearray(8); b = np.frombuffer(a, 'i4')",
        "import numpy as np\na = bytearray(8); b = np.frombuffer(bytearray(8), 'i4')",
    ),
    "frame's cell": (
        "import pandas as pd\na = pd.DataFrame({'x': [1, 2], 'y': ['p', 'q']})",
        "import pandas as pd\na = pd.DataFrame({'x': [1, 2], 'y': ['p', 'r']})",
    ),
    "frame's column": (
        "import pandas as pd\na = pd.DataFrame({'x': [1, 2]})",
        "import pandas as pd\na = pd.DataFrame({'y': [1, 2]})",
    ),
    "frame shared": (
        "import pandas as pd\na = pd.DataFrame({'x': [1]}); b = {'a': a}",
        "import pandas as pd\na = pd.DataFrame({'x': [1]}); b = {'a': a.copy()}",
    ),
    "object in a frame": (
        "import pandas as pd\nx = [1]\na = pd.DataFrame({'x': [x]})",
        "import pandas as pd\nx = [1]\na = pd.DataFrame({'x': [[1]]})",
    ),
    "series' index": (
        "import pandas as pd\na = pd.Series([1, 2], index=['x', 'y'])",
        "import pandas as pd\na = pd.Series([1, 2], index=['x', 'z'])",
    ),
    "index shared": (
        "import pandas as pd\na = pd.DataFrame({'x': [1]}, index=['p']); b = [a.index]",
        "import pandas as pd\na = pd.DataFrame({'x': [1]}, index=['p']); b = [a.index.copy()]",
    ),
    "object in an index": (
        "import pandas as pd\nclass C: pass\nx = C(); a = pd.Index([x], dtype=object)",
        "import pandas as pd\nclass C: pass\nx = C(); a = pd.Index([C()], dtype=object)",
    ),
    "categories": (
        "import pandas as pd\na = pd.Categorical(['x'], ['x', 'y'])",
        "import pandas as pd\na = pd.Categorical(['x'], ['x', 'z'])",
    ),
}  # fmt: skip


@pytest.mark.parametrize("one", [source for pair in PAIRS.values() for source in pair])
def test_what_is_made_twice_in_the_same_way_is_equal(one: str) -> None:
    assert differences(portrait(one), portrait(one)) == []


@pytest.mark.parametrize("name", PAIRS)
def test_each_difference_is_seen_from_both_sides(name: str) -> None:
    left, right = (portrait(source) for source in PAIRS[name])
    assert differences(left, right)
    assert differences(right, left)
    assert left.digest() != right.digest()


EQUAL = {
    "order of making": ("a = [1]; b = [a, 2]", "c = [1]; b = [c, 2]; a = c; del c"),
    "order of assignment": ("a = [1]; b = [a]", "x = [1]; b = [x]; a = b[0]; del x"),
    "order of a set": ("a = set(range(100))", "a = set(reversed(range(100)))"),
    "order of a set that grew": ("a = {8, 0}", "a = {0}; a.update(range(99)); a &= {0, 8}"),
    "set of equal objects": (_CLASS + "a = {C(1), C(2), C((3,))}", _CLASS + "a = {C((3,)), C(2), C(1)}"),
    "set of tuples that share": (
        _CLASS + "x = C(1); y = C(2); a = {(x, 1), (y, 1)}; b = [x, y]",
        _CLASS + "x = C(1); y = C(2); a = {(y, 1), (x, 1)}; b = [x, y]",
    ),
    "where code stands": ("def f(): return 1", "\n\n\ndef f(): return 1"),
    "attributes of a class in another order": (
        "class C:\n x = 1\n y = 2",
        "class C:\n y = 2\n x = 1",
    ),
    "what lay beneath a view": (
        "import numpy as np\na = np.arange(9)[2:5]",
        "import numpy as np\na = np.arange(2, 5)",
    ),
    "memory behind copy-on-write": (
        "import pandas as pd\na = pd.DataFrame({'x': [1, 2]}); b = a['x']",
        "import pandas as pd\na = pd.DataFrame({'x': [1, 2]}); b = a['x'].copy()",
    ),
    "labels that two frames show": (
        "import pandas as pd\na = pd.DataFrame({'x': ['p'], 'y': ['q']}); b = a.isna().sum()",
        "import pandas as pd\na = pd.DataFrame({'x': ['p'], 'y': ['q']}); b = a.copy(deep=True).isna().sum()\n"
        "b.index = pd.Index(['x', 'y'])",
    ),
    "dtype that two columns have": (
        "import pandas as pd\nt = pd.CategoricalDtype(['p', 'q'])\n"
        "a = pd.Series(['p'], dtype=t); b = pd.Series(['q'], dtype=t); del t",
        "import pandas as pd\na = pd.Series(['p'], dtype=pd.CategoricalDtype(['p', 'q']))\n"
        "b = pd.Series(['q'], dtype=pd.CategoricalDtype(['p', 'q']))",
    ),
    "an array that two frames show": (
        "import pandas as pd\na = pd.DataFrame({'x': [1., 2.]}); b = a.astype('float64')",
        "import pandas as pd\na = pd.DataFrame({'x': [1., 2.]}); b = a.copy()",
    ),
}


@pytest.mark.parametrize("name", EQUAL)
def test_what_nobody_can_tell_apart_is_equal(name: str) -> None:
    left, right = (portrait(source) for source in EQUAL[name])
    assert differences(left, right) == []
    assert left.digest() == right.digest()


def test_a_part_is_compared_as_if_nothing_else_were_there() -> None:
    whole = portrait("import numpy as np\na = np.arange(9); b = a[2:5]; c = [b]; d = [a]; del np")
    part = portrait("import numpy as np\nb = np.arange(9)[2:5]; c = [b]; del np")
    assert differences(whole, part, ["b", "c"]) == []
    assert differences(whole, part) == ["a is missing", "d is missing"]
    assert differences(
        whole, portrait("import numpy as np\nb = np.arange(2, 5); c = [b.copy()]; del np"), ["b", "c"]
    )


def test_a_portrait_holds_nothing_of_what_it_shows() -> None:
    namespace: dict[str, object] = {"a": [1]}
    before = portray(namespace)
    namespace["a"].append(2)  # type: ignore[attr-defined]
    assert differences(before, portrait("a = [1]")) == []
    assert pickle.loads(pickle.dumps(before)) == before


def test_a_difference_says_where() -> None:
    left, right = portrait("a = {'k': [1, (2, [3])]}"), portrait("a = {'k': [1, (2, [4])]}")
    assert differences(left, right) == ["a > dict.1 > list.1 > tuple.1: list child 0: expected 3, got 4"]


def test_a_class_in_the_place_of_a_function_is_seen_by_name_too() -> None:
    def by_name(source: str) -> Portrait:
        namespace: dict[str, object] = {"__name__": "__main__"}
        exec(source, namespace)
        return portray(namespace, code=False)

    assert differences(by_name("def f(): pass"), by_name("class f: pass")) != []
    assert differences(by_name("def f(): pass"), by_name("def f(): return 1")) == []


def test_deep_graphs_need_no_stack() -> None:
    source = "a = []\nfor _ in range({}): a = [a]"
    deep = portrait(source.format(200_000))
    assert differences(deep, portrait(source.format(200_000))) == []
    assert differences(deep, portrait(source.format(199_999)))


def test_sets_in_sets_as_deep_as_lists() -> None:
    source = "a = frozenset()\nfor _ in range({}): a = frozenset([a])"
    assert differences(portrait(source.format(20_000)), portrait(source.format(20_000))) == []


def test_what_cannot_be_looked_into_is_named() -> None:
    assert portrait("import threading\na = [threading.Lock()]").opaque == ("_thread.lock",)
    assert portrait("a = [1]").opaque == ()


def test_looking_touches_no_method_of_the_namespace() -> None:
    class Watched(dict[str, object]):
        def __getitem__(self, name: str) -> object:
            raise AssertionError(name)

        items = values = keys = get = __iter__ = __getitem__  # type: ignore[assignment]

    assert differences(portray(Watched(a=[1])), portrait("a = [1]")) == []


_OTHER = """
import sys
from harness.oracle import portray
namespace = {"__name__": "__main__"}
exec(sys.argv[1], namespace)
print(portray(namespace).digest())
"""


@pytest.mark.parametrize("seed", ["1", "2"])
def test_digests_are_equal_in_any_process(seed: str) -> None:
    source = _CLASS + "a = {'x', 'yy', (1, 'z'), C}; b = {C(1), C('v')}; c = C.items; f = lambda: a"
    done = subprocess.run(
        [sys.executable, "-c", _OTHER, source],
        capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert done.stdout.strip() == portrait(source).digest()


@pytest.mark.parametrize("source", sorted({source for pair in PAIRS.values() for source in pair}))
def test_a_portrait_by_name_is_one_that_was_taken_so(source: str) -> None:
    namespace: dict[str, object] = {"__name__": "__main__"}
    exec(compile(source, "<session>", "exec", dont_inherit=True), namespace)
    expected = portray(namespace, code=False)

    found = portray(namespace).by_name()

    assert (found.canonical(), found.digest()) == (expected.canonical(), expected.digest())
