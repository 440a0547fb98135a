"""Prints each public class, function and method of the Python package, as the running package has them."""

import importlib
import inspect

for where in ("hijack", "hijack.aio", "hijack.asgi", "hijack.testing", "hijack.wsgi"):
    module = importlib.import_module(where)
    for name in module.__all__:
        thing = getattr(module, name)
        if not (inspect.isclass(thing) or inspect.isfunction(thing)):
            continue
        print(f"{where}.{name}")
        for member, value in inspect.getmembers(thing) if inspect.isclass(thing) else ():
            if member.startswith("_") or not (inspect.isfunction(value) or isinstance(value, property)):
                continue
            if (getattr(value, "__module__", None) or "hijack").startswith("hijack"):
                print(f"{where}.{name}.{member}")
