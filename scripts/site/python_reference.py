"""The reference of the Python package: a page for each module, of which mkdocstrings makes the rest from docstrings."""

import ast

MODULES = {
    "hijack": "the package with plain threads",
    "hijack.aio": "the package for asyncio",
    "hijack.asgi": "for programs under uvicorn and other ASGI servers",
    "hijack.wsgi": "for programs under gunicorn and other WSGI servers",
    "hijack.testing": "for tests",
}


def source(root, module):
    name = module.partition(".")[2]
    return root / "python" / "src" / "hijack_ffi" / (f"{name}.py" if name else "__init__.py")


def public(path):
    """The names in __all__ of a module, as they stand in its source."""
    names = []
    for node in ast.parse(path.read_text()).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        target = targets[0]
        if isinstance(target, ast.Name) and target.id == "__all__" and isinstance(node.value, ast.List):
            names += ast.literal_eval(node.value)
    return names


def page(module, names, title):
    return "\n".join([f"# {title}", "", *(f"::: {module}.{name}\n" for name in names if not name.startswith("__"))])


def pages(root):
    found = {}
    for module, what in MODULES.items():
        text = page(module, public(source(root, module)), module)
        found[f"reference/python/{module}.md"] = text.replace("\n\n", f"\n\nModule `{module}`: {what}.\n\n", 1)
    errors = public(root / "python" / "src" / "hijack_ffi" / "_errors.py")
    found["reference/python/errors.md"] = page("hijack", errors, "Errors")
    return found
