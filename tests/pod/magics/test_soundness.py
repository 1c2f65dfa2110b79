"""Every version holds what the namespace held after its cell, whatever the cell was."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.pod import workshop
from tests.pod.magics import background
from tests.pod.magics.shells import ShellNotebook
from tests.pod.programs import NAMES, PREAMBLE, outside_statements, statements

CELLS = {
    "two names of one object": ["a = [1]; b = a", "b.append(2)"],
    "a part of another's object": ["a = {'k': [1]}; b = a['k']", "b.append(2)", "a['k'].append(3)"],
    "a function": ["a = [1]\ndef f(): a.append(2)", "f()"],
    "a function that calls a function": ["a = [1]\ndef f(): a.append(2)\ndef g(): f()", "g()"],
    "a function in a container": ["a = [1]\ndef f(): a.append(2)\nh = {'f': [f]}\ndel f", "h['f'][0]()"],
    "a global statement": ["a = [1]\ndef f():\n    global a\n    a = [2]", "f()"],
    "a method": ["a = [1]\nclass K:\n    def m(self): a.append(2)\nk = K()", "k.m()"],
    "a method of a class that has no name": [
        "a = [1]\nclass K:\n    def m(self): a.append(2)\nk = K()\ndel K",
        "k.m()",
    ],
    "a property": ["a = [1]\nclass K:\n    @property\n    def p(self): a.append(2)\nk = K()", "k.p"],
    "an operator": ["a = [1]\nclass K:\n    def __add__(self, other): a.append(2)\nk = K()", "k + 1"],
    "a base class": [
        "a = [1]\nclass B:\n    def m(self): a.append(2)\nclass K(B): pass\nk = K()\ndel B, K",
        "k.m()",
    ],
    "a class that is changed": [
        "class K: held = []\nk = K()",
        "k.held.append(1)",
        "K.more = [1]",
        "type(k).more.append(2)",
    ],
    "a closure": [
        "def make():\n    held = []\n    def put(x): held.append(x)\n    def get(): return held\n    return put, get\nput, get = make()",
        "put(1)",
        "get().append(2)",
    ],
    "a decorator": [
        "import functools\na = []\ndef noted(f):\n    @functools.wraps(f)\n    def g(*args):\n        a.append(args)\n        return f(*args)\n    return g",
        "@noted\ndef f(x): return x",
        "f(1)",
    ],
    "a generator": [
        "a = [1]\ndef gen():\n    while True:\n        a.append(len(a))\n        yield\ng = gen()",
        "next(g)",
        "next(g)",
    ],
    "a generator expression": ["a = [1]", "g = (a.append(i) for i in range(3))", "next(g)", "b = 1"],
    "a generator expression that a map keeps": [
        "a = [1]",
        "m = map(str, (a.append(i) for i in a[:]))",
        "next(m)",
    ],
    "a default": ["a = [1]; f = lambda x=a: x.append(2)", "f()", "a.append(3)"],
    "a cell with a lambda": ["a = [1]; f = lambda: a", "f().append(1)"],
    "a comprehension": [
        "a = [[1], [2]]",
        "[x.append(3) for x in a]",
        "{id(x): x.append(4) for x in a}.clear()",
    ],
    "the scope of a comprehension": ["x = [1]; a = [[2]]", "[x for x in a]; x.append(2)"],
    "a walrus": ["a = [1]", "(b := a).append(2)", "[(c := x) for x in [a]]; c.append(3)", "b.append(4)"],
    "a match statement": ["a = {'k': [1]}", "match a:\n    case {'k': b}: b.append(2)", "b.append(3)"],
    "an f-string": ["a = [1]", "f'{a.append(2)}'", "s = f'{a}'"],
    "a star import": ["a = [1]", "from os.path import *", "a.append(2)"],
    "a name that is deleted": ["a = [1]; b = a", "del a", "b.append(2)"],
    "unpacking": ["a = [[1], [2]]", "b, *c = a", "b.append(3); c[0].append(4)"],
    "augmented assignment": ["a = [1]; b = a", "a += [2]", "b *= 2"],
    "a with statement": [
        "a = []\nclass K:\n    def __enter__(self): a.append(1); return self\n    def __exit__(self, *e): a.append(2)\nk = K()",
        "with k: pass",
    ],
    "a try statement": [
        "a = [1]",
        "try: a.append(2); 1/0\nexcept ZeroDivisionError as e: a.append(3)",
        "a.append(4)",
    ],
    "a cell that fails": ["a = [1]", "a.append(2); 1/0; a.append(3)", "a.append(4)"],
    "globals()": ["a = [1]", "globals()['a'].append(2)", "g = globals()", "g['a'].append(3)", "del g"],
    "exec": ["a = [1]", "exec('a.append(2)')", "e = exec", "e('a.append(3)')"],
    "exec in a function": ["a = [1]\ndef f(s): exec(s, globals())", "f('a.append(2)')"],
    "the history": [
        "a = [1]",
        "a",
        "_.append(2)",
        "Out[4].append(3)",
        "_4.append(4)",
        "for _ in range(2): pass",
    ],
    "a function that reads the history": ["a = [1]", "a", "def f(): return Out[4]", "f().append(2)"],
    "what was shown is no stranger": ["a = [1]", "a", "[a]", "b = 1", "a.append(2)", "b = 2"],
    "the shell": [
        "a = [1]",
        "get_ipython().user_ns['a'].append(2)",
        "ip = get_ipython()",
        "ip.user_ns['a'].append(3)",
    ],
    "the main module": [
        "a = [1]",
        "import __main__ as m",
        "m.a.append(2)",
        "import sys; sys.modules['__main__'].a.append(3)",
    ],
    "the main module by its name": ["import sys\na = [1]", "sys.modules[__name__].a.append(2)"],
    "the main module by a function's": [
        "import sys\na = [1]\ndef f(): pass",
        "sys.modules[f.__module__].a.append(2)",
    ],
    "a profile": ["import cProfile\na = [1]", "cProfile.run('a.append(2)')"],
    "a frame": ["a = [1]", "import sys\ndef f(): sys._getframe().f_globals['a'].append(2)", "f()"],
    "the globals of a function": [
        "a = [1]\ndef f(): pass",
        "f.__globals__['a'].append(2)",
        "getattr(f, '__globals__')['a'].append(3)",
    ],
    "timing": [
        "a = [1]",
        "%%time\na.append(2)",
        "%time a.append(3)",
        "%timeit -n1 -r1 a.append(4)",
        "%%timeit -n1 -r1\na.append(5)",
    ],
    "capturing": ["a = [1]", "%%capture out\na.append(2)\nprint(a)", "del out", "a.append(3)"],
    "shell lines": ["a = [1]", "!echo x > /dev/null", "b = !echo y", "!echo {a.append(2)} > /dev/null"],
    "magics": ["a = [1]", "%who", "%reset -f out", "a.append(2)", "%precision 3", "%xdel a"],
    "await": [
        "import asyncio\na = [1]\nasync def f(): a.append(2)",
        "await f()",
        "await asyncio.sleep(0); a.append(3)",
    ],
    "async for": [
        "a = [1]\nasync def g():\n    for i in range(2):\n        a.append(i)\n        yield i",
        "async for i in g(): a.append(i)",
        "[i async for i in g()]",
    ],
    "a thread's function that nobody else has": [
        "from tests.pod.magics import background\na = [1]",
        "background.later(lambda: a.append(2))",
        "def f(): a.append(3)",
        "background.later(f); del f",
        "background.go()",
        "b = 1",
    ],
    "a thread's function, run by nobody's cell": [
        "from tests.pod.magics import background as back\na = [1]\ndef run_it(): back.go()",
        "back.later(lambda: a.append(2))",
        "run_it()",
    ],
    "a callback that a library keeps": [
        "from tests.pod import workshop\na = [1]\nworkshop.put(lambda: a.append(2)) and None",
        "from tests.pod import workshop; workshop.box[-1]()",
        "b = 1",
        "workshop.box[-1]()",
        "workshop.box.clear()",
    ],
    "an object that a library keeps": [
        "from tests.pod import workshop\na = [1]\nworkshop.put(a) and None",
        "workshop.box[-1].append(2)",
        "workshop.box.clear()",
    ],
    "a destructor": [
        "a = [1]\nclass K:\n    def __del__(self): a.append(2)\nk = K()",
        "del k",
        "k = K()",
        "k = 1",
    ],
    "a name that the shell hides": ["quit = [1]", "quit.append(2)"],
    "the user's own names with underscores": ["_a = [1]; __b = [2]", "_a.append(2); __b.append(3)"],
    "a syntax error": ["a = [1]", "a.append(2", "a.append(3)"],
    "a comment": ["a = [1]", "# nothing", "a.append(2)"],
    "views of arrays": [
        "import numpy as np\na = np.zeros(9); b = a[3:]",
        "b[0] = 1",
        "a",
        "b[1] = 1",
        "del a",
        "b[2] = 1",
    ],
    "frames": [
        "import pandas as pd\ndf = pd.DataFrame({'x': [1, 2, 3], 'y': list('abc')})",
        "df.head()",
        "df.loc[0, 'x'] = 5",
        "df",
        "c = df['x']",
        "df['z'] = 1",
        "c.iloc[1] = 7",
        "_8.iloc[1] = 8",
    ],
    "a class of data": [
        "from dataclasses import dataclass, field\n@dataclass\nclass D:\n    x: list = field(default_factory=list)\nd = D()",
        "d.x.append(1)",
        "d",
    ],
    "a function made anew": ["a = [1]; b = [1]\ndef f(): a.append(2)", "def f(): b.append(2)", "f()"],
    "a method of an object that cannot be saved": [
        "a = [1]\nclass K:\n    def __reduce_ex__(self, p): raise TypeError('no')\n    def m(self): a.append(2)\nk = K(); k.a = a",
        "del K",
        "k.m()",
        "b = 1",
        "k.a.append(3)",
        "k.m()",
    ],
    "a function with a cache": [
        "import functools\na = [1]\n@functools.lru_cache\ndef f(x): a.append(x)",
        "f(1)",
        "g = f; del f",
        "g(2)",
    ],
    "a function of one argument's type": [
        "import functools\na = [1]\n@functools.singledispatch\ndef f(x): pass",
        "@f.register(int)\ndef g(x): a.append(x)",
        "del g",
        "f(2)",
    ],
    "a finalizer": [
        "import weakref\na = [1]\nclass K: pass\nk = K()",
        "weakref.finalize(k, lambda: a.append(2)) and None",
        "b = 1",
        "k = 1",
    ],
    "attributes that are made when asked for": [
        "a = [1]\nclass K:\n    def __getattr__(self, name): a.append(name); return self\nk = K()",
        "k.x.y",
        "def f(o): return o.z\nh = [k]",
        "f(h[0])",
    ],
    "a metaclass": [
        "a = [1]\nclass M(type):\n    def __call__(cls): a.append(2); return super().__call__()\nclass K(metaclass=M): pass\ndel M",
        "k = K()",
    ],
    "a task that goes on": [
        "import asyncio\na = [1]\nasync def work():\n    for i in range(3):\n        a.append(i)\n        await asyncio.sleep(0)",
        "await asyncio.gather(work(), work()); del work",
        "b = 1",
    ],
    "an import that binds a name anew": ["a = [1]; path = a", "from os import path", "a.append(2)"],
    "a file that is run": [
        "import pathlib, tempfile\na = [1]; d = tempfile.mkdtemp()",
        "x = pathlib.Path(d, 'f.py').write_text('a.append(2)')",
        "%run -i {d}/f.py",
    ],
    "code that is replaced": [
        "a = [1]; b = [1]\ndef f(): a.append(2)",
        "f.__code__ = f.__code__.replace(co_names=('b', 'append')); f()",
    ],
    "a function made of code": [
        "import types\na = [1]\ndef f(): a.append(2)\nc = f.__code__\ndel f",
        "types.FunctionType(c, globals())()",
    ],
}


@pytest.mark.parametrize("cells", CELLS.values(), ids=CELLS.keys())
def test_each_version_holds_what_the_cell_left(notebook: ShellNotebook, cells: list[str]) -> None:
    try:
        notebook.run(*cells)
        notebook.check(whole=False)
    finally:
        workshop.reset()
    assert len(notebook.versions) == len(cells)


_chunks = st.lists(statements(), min_size=1, max_size=4)
_ASIDE = (
    "b = 1",
    "p",
    "q",
    "_",
    "%who",
    "[p, q]",
    "(r, [s])",
    "%%time\np = [q]",
    "p; 1/0",
    "",
    "await keep_async(p)",
)
_steps = st.one_of(
    _chunks.map(
        lambda lines: ("run", "\n".join(f"try: exec({line!r})\nexcept Exception: pass" for line in lines))
    ),
    statements().map(lambda line: ("run", line)),
    statements().map(lambda line: ("run", line)),
    _chunks.map(lambda lines: ("run", "\n".join(lines))),
    st.sampled_from(_ASIDE).map(lambda line: ("run", line)),
    st.sampled_from(NAMES).map(lambda name: ("run", f"background.hold({name})")),
    outside_statements().map(lambda line: ("outside", line)),
)
_COMMON = settings(
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


def _check(first: list[str], steps: list[tuple[str, str]]) -> int:
    """Take steps in a notebook of its own, and compare every version; return how many there were."""
    workshop.reset()
    background.held.clear()
    with tempfile.TemporaryDirectory() as folder, ShellNotebook(Path(folder) / "store") as notebook:
        notebook.run(
            PREAMBLE + "\nfrom tests.pod.magics import background\nasync def keep_async(x): return x", *first
        )
        for what, text in steps:
            if what == "run":
                notebook.cell(text)
                if text:
                    notebook.remember()
            else:
                with contextlib.suppress(Exception):
                    exec(text, background.held)
                notebook.cell("b = 2")
                notebook.remember()
        notebook.check(whole=False)
        found = len(notebook.versions)
    workshop.reset()
    return found


@pytest.mark.timeout(300)
@settings(_COMMON, max_examples=20, derandomize=True)
@given(first=st.lists(statements(), min_size=4, max_size=8), steps=st.lists(_steps, min_size=3, max_size=10))
def test_every_version_of_a_random_notebook(first: list[str], steps: list[tuple[str, str]]) -> None:
    assert _check(first, steps) > 0


@pytest.mark.slow
@pytest.mark.timeout(7200)
@settings(_COMMON, max_examples=1500)
@given(first=st.lists(statements(), min_size=4, max_size=12), steps=st.lists(_steps, min_size=3, max_size=30))
def test_every_version_of_a_long_random_notebook(first: list[str], steps: list[tuple[str, str]]) -> None:
    assert _check(first, steps) > 0
