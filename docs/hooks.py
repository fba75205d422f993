"""Build hooks of the documentation: what must never go stale is made from the code here.

* The API pages are read from the sources without importing them. The folders at the root are one
  import package only after installation, so a copy laid out as installed goes to `build/api`.
* `<!-- command: NAME -->` in a page becomes the options of `co2phys NAME`, `<!-- command: bench
  solver -->` those of a command of a group.
* `<!-- constants: simulation.mixing -->` becomes a table of that module's numbers.
* `<!-- source: simulation.mixing layer_depth -->` becomes the body of that function.
* The notebooks are run, and become pages with their figures (`docs/notebook_pages.py`).
"""

from __future__ import annotations

import ast
import re
import shutil
import sys
import tomllib
import types
import typing
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TREE = ROOT / "build" / "api"
WORDS = {Path: "path", str: "text", int: "integer", float: "number", bool: "", datetime: "time"}
MARKER = re.compile(r"^<!-- (command|constants|source): ([\w. -]+) -->$", re.MULTILINE)


def on_startup(**_: Any) -> None:
    """Make the tree before the plugin that reads it looks for its folders."""
    lay_out_packages()


def on_pre_build(**_: Any) -> None:
    """Take in what changed since, when the site is served."""
    lay_out_packages()


def lay_out_packages() -> None:
    """Copy the packages to where they are when installed."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = settings["package-dir"]
    for package in settings["packages"]:
        mapped = max((name for name in folders if f"{package}.".startswith(f"{name}.")), key=len)
        inner = package[len(mapped) :].strip(".").replace(".", "/")
        target = TREE / package.replace(".", "/")
        target.mkdir(parents=True, exist_ok=True)
        for source in (ROOT / folders[mapped] / inner).glob("*.py"):
            shutil.copy(source, target)


def on_files(files: Any, *, config: Any, **_: Any) -> Any:
    """Add the pages that the notebooks make, and their pictures."""
    from mkdocs.structure.files import File

    # MkDocs loads hooks by path, so that a module beside this one is not found by itself.
    sys.path.insert(0, str(ROOT / "docs"))
    import notebook_pages

    for source in notebook_pages.sources():
        text, pictures = notebook_pages.page(source)
        files.append(File.generated(config, f"notebooks/{source.stem}.md", content=text))
        for name, content in pictures.items():
            files.append(File.generated(config, f"notebooks/{name}", content=content))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the markers of a page."""
    makers = {"command": command_reference, "constants": constant_table, "source": source_of}
    return MARKER.sub(lambda found: makers[found[1]](*found[2].split()), markdown)


def constant_table(module: str) -> str:
    """Name, value and description of the documented numbers of a module of `co2net_phys`."""
    body = _syntax_tree(module).body
    rows = [
        f"| `{_name(node)}` | {ast.unparse(node.value)} | {_described(after)} |"
        for node, after in pairwise(body)
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        and isinstance(node.value, (ast.Constant, ast.UnaryOp, ast.BinOp))
        and _described(after)
    ]
    return "\n".join(["| constant | value | meaning |", "|---|---|---|", *rows])


def source_of(module: str, function: str) -> str:
    """A function of a module of `co2net_phys`, as Python, without its docstring."""
    tree = _syntax_tree(module)
    (node,) = (n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == function)
    if ast.get_docstring(node):
        del node.body[0]
    node.returns = None
    for argument in node.args.args:
        argument.annotation = None
    return f"```python\n{ast.unparse(node)}\n```"


def _syntax_tree(module: str) -> ast.Module:
    return ast.parse((TREE / "co2net_phys" / f"{module.replace('.', '/')}.py").read_text())


def _name(node: Any) -> str:
    target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
    return ast.unparse(target)


def _described(node: ast.stmt) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return " ".join(str(node.value.value).split())
    return ""


def command_reference(*words: str) -> str:
    """Help text and options of one command, in a group or not, as Markdown."""
    command = commands()[words[0]]
    for word in words[1:]:
        command = command.commands[word]
    annotations = typing.get_type_hints(command.callback.__wrapped__, include_extras=True)
    lines = [command.help or "", "", f"```\n{_usage(' '.join(words), command)}\n```", ""]
    lines += ["| option | value | default | meaning |", "|---|---|---|---|"]
    rows = [
        _row(parameter, annotations[parameter.name])
        for parameter in command.params
        if parameter.name in annotations
    ]
    return "\n".join([*lines, *rows])


def commands() -> dict[str, Any]:
    """The commands of `co2phys` by name."""
    import typer

    from co2net_phys.cli.main import app

    group: Any = typer.main.get_command(app)
    return dict(group.commands)


def _usage(name: str, command: Any) -> str:
    needed = [p for p in command.params if p.required]
    words = [
        p.name.upper() if p.param_type_name == "argument" else f"{p.opts[0]} {p.name.upper()}"
        for p in needed
    ]
    return " ".join(["co2phys", name, *words, "[OPTIONS]"])


def _row(parameter: Any, annotation: Any) -> str:
    names = [*parameter.opts, *parameter.secondary_opts]
    if parameter.param_type_name == "argument":
        names = [parameter.name.upper()]
    cells = [
        " / ".join(f"`{option}`" for option in names),
        _value(annotation),
        _default(parameter),
        (getattr(parameter, "help", None) or "").replace("|", r"\|"),
    ]
    return "| " + " | ".join(cells) + " |"


def _value(annotation: Any) -> str:
    """What an option takes, in words, from the annotation of the function behind it."""
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        (annotation,) = (a for a in typing.get_args(annotation) if a is not type(None))
    if typing.get_origin(annotation) is typing.Literal:
        return ", ".join(f"`{choice}`" for choice in typing.get_args(annotation))
    if typing.get_origin(annotation) is list:
        return f"{WORDS[typing.get_args(annotation)[0]]}, repeatable"
    return WORDS[annotation]


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    if parameter.default is None or parameter.default == [] or parameter.default is False:
        return ""
    return "on" if parameter.default is True else f"`{parameter.default}`"
