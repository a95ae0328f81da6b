"""Rules of the house that no linter knows: where tasks are born, what is caught, how long things are."""

from __future__ import annotations

import ast
import statistics
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.repo.conftest import Source

# Lines of code, without docstrings, comments and empty lines; generated code left out, nothing else.
MODULE_LINES = 250
CLASS_LINES = 150
# The session, its turns and its floor: what a newcomer reads first.
HEART = ("edge_gateway/session.py", "edge_gateway/turn.py", "edge_gateway/turn_taking/floor.py")
HEART_LINES = 700
# Docstrings do not count.
FUNCTION_LINES = 40
MEDIAN_FUNCTION_LINES = 8

Function = ast.FunctionDef | ast.AsyncFunctionDef


def loose_tasks(tree: ast.AST) -> list[int]:
    """Lines that start a task anywhere but in a task group."""
    groups = set(_names_of_task_groups(tree))
    return [
        call.lineno
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and (
            _last_name(call.func) in {"ensure_future", "gather"}
            or (_last_name(call.func) == "create_task" and _receiver(call.func) not in groups)
        )
    ]


def broad_catches(tree: ast.AST) -> list[int]:
    """Lines that catch, or suppress, every exception there is."""
    caught = [(node.lineno, node.type) for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler)]
    suppressed = [
        (node.lineno, argument)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _last_name(node.func) == "suppress"
        for argument in node.args
    ]
    return [line for line, kind in caught + suppressed if kind is None or _is_broad(kind)]


def code_lines(tree: ast.Module | ast.ClassDef, text: str) -> int:
    """Lines of a module or class that do something."""
    first, last = (1, len(text.splitlines())) if isinstance(tree, ast.Module) else (tree.lineno, tree.end_lineno or 0)
    prose = {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    lines = enumerate(text.splitlines(), start=1)
    return sum(
        first <= number <= last and number not in prose and bool(line.strip()) and not line.lstrip().startswith("#")
        for number, line in lines
    )


def naps(tree: ast.AST) -> list[int]:
    """Lines that sleep for more than the zero seconds which let others run."""
    return [
        call.lineno
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and _last_name(call.func) == "sleep"
        and not (call.args and isinstance(call.args[0], ast.Constant) and call.args[0].value == 0)
    ]


def body_lines(function: Function) -> int:
    """Lines from `def` to the last one, without the docstring."""
    docstring = function.body[0] if ast.get_docstring(function) is not None else None
    return _lines(function) - (_lines(docstring) if docstring else 0)


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("asyncio.create_task(work())", [1]),
        ("asyncio.get_running_loop().create_task(work())", [1]),
        ("from asyncio import create_task\ncreate_task(work())", [2]),
        ("await asyncio.gather(a, b)", [1]),
        ("async with asyncio.TaskGroup() as tasks:\n    tasks.create_task(work())", []),
        ("def start(tasks: asyncio.TaskGroup):\n    tasks.create_task(work())", []),
        ("self._tasks = await stack.enter_async_context(TaskGroup())\nself._tasks.create_task(work())", []),
    ],
)
def test_a_task_outside_a_task_group_is_seen(code: str, lines: list[int]) -> None:
    assert loose_tasks(ast.parse(code)) == lines


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("try: f()\nexcept Exception: pass", [2]),
        ("try: f()\nexcept (OSError, BaseException): pass", [2]),
        ("try: f()\nexcept: pass", [2]),
        ("with contextlib.suppress(Exception): f()", [1]),
        ("try: f()\nexcept OSError: pass", []),
    ],
)
def test_a_broad_catch_is_seen(code: str, lines: list[int]) -> None:
    assert broad_catches(ast.parse(code)) == lines


@pytest.mark.parametrize(
    ("code", "lines"), [("time.sleep(0.1)", [1]), ("await asyncio.sleep(delay)", [1]), ("await asyncio.sleep(0)", [])]
)
def test_a_nap_is_seen(code: str, lines: list[int]) -> None:
    assert naps(ast.parse(code)) == lines


def test_a_docstring_makes_no_function_longer() -> None:
    [function] = ast.parse('def f():\n    """One.\n\n    Two.\n    """\n    return 1').body
    assert isinstance(function, ast.FunctionDef)
    assert body_lines(function) == 2


def test_every_task_is_born_in_a_task_group(product: list[Source], tests: list[Source]) -> None:
    assert [f"{source.name}:{line}" for source in product + tests for line in loose_tasks(source.tree)] == []


def test_nothing_catches_every_exception(product: list[Source], tests: list[Source]) -> None:
    assert [f"{source.name}:{line}" for source in product + tests for line in broad_catches(source.tree)] == []


def test_no_test_sleeps(tests: list[Source]) -> None:
    assert [f"{source.name}:{line}" for source in tests for line in naps(source.tree)] == []


def test_pure_modules_exist_and_wait_for_nothing(product: list[Source], pure: list[str]) -> None:
    trees = {source.name: source.tree for source in product}
    waiting = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)
    modules = [f"{name.replace('.', '/')}.py" for name in pure]
    assert [name for name in modules if name not in trees] == []
    assert [name for name in modules if any(isinstance(node, waiting) for node in ast.walk(trees[name]))] == []


def test_a_module_is_one_thought(product: list[Source]) -> None:
    sizes = {source.name: code_lines(source.tree, source.text) for source in product}
    assert {name: size for name, size in sizes.items() if size > MODULE_LINES} == {}


def test_the_heart_of_the_gateway_is_read_in_one_sitting(product: list[Source]) -> None:
    sizes = {source.name: code_lines(source.tree, source.text) for source in product}
    assert sum(sizes[name] for name in HEART) <= HEART_LINES


def test_a_class_and_a_function_fit_on_a_screen(product: list[Source], tests: list[Source]) -> None:
    functions = {
        f"{source.name}:{node.lineno} {node.name}": body_lines(node)
        for source in product + tests
        for node in _functions(source.tree)
    }
    classes = {
        f"{source.name}:{node.lineno} {node.name}": code_lines(node, source.text)
        for source in product
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ClassDef)
    }
    assert {name: size for name, size in functions.items() if size > FUNCTION_LINES} == {}
    assert {name: size for name, size in classes.items() if size > CLASS_LINES} == {}


def test_most_functions_are_short(product: list[Source]) -> None:
    sizes = [body_lines(node) for source in product for node in _functions(source.tree)]
    assert statistics.median(sizes) <= MEDIAN_FUNCTION_LINES


def _functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def _lines(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _names_of_task_groups(tree: ast.AST) -> Iterator[str | None]:
    """Yield what is bound to a TaskGroup, by `with ... as`, by assignment, or by the annotation of a parameter."""
    for node in ast.walk(tree):
        match node:
            case ast.withitem(context_expr=value, optional_vars=ast.expr() as target) if _makes_group(value):
                yield _last_name(target)
            case ast.Assign(targets=[target], value=value) if _makes_group(value):
                yield _last_name(target)
            case ast.AnnAssign(target=target, annotation=kind) if _makes_group(kind):
                yield _last_name(target)
            case ast.arg(arg=name, annotation=ast.expr() as kind) if _makes_group(kind):
                yield name


def _makes_group(value: ast.expr) -> bool:
    return "TaskGroup" in ast.unparse(value)


def _last_name(value: ast.expr) -> str | None:
    match value:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case _:
            return None


def _receiver(function: ast.expr) -> str | None:
    return _last_name(function.value) if isinstance(function, ast.Attribute) else None


def _is_broad(kind: ast.expr) -> bool:
    if isinstance(kind, ast.Tuple):
        return any(_is_broad(element) for element in kind.elts)
    return _last_name(kind) in {"Exception", "BaseException"}
