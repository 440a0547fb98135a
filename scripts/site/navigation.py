"""The site's order: mkdocs.yml names the sections, each with its folder and the pages that come first; the other pages
of a folder follow by name. A page that does not exist is left out, one that exists is never forgotten."""

import posixpath
import re


def title(text, path):
    """Its first heading: how the page is called in the menu."""
    match = re.search(r"^# +(.+?)(?: *\{[^}]*\})? *$", text, re.M)
    return match[1].replace("`", "") if match else posixpath.basename(path)


def section(pages, folder, first, short):
    inside = [path for path in pages if posixpath.dirname(path) == folder]
    wanted = [f"{folder}/{name}.md" for name in first]
    order = [path for path in wanted if path in inside] + sorted(path for path in inside if path not in wanted)
    named = {f"{folder}/{name}.md": text for name, text in short.items()}
    return [{named.get(path) or title(pages[path], path): path} for path in order]


def entries(pages, sections):
    """What mkdocs calls nav, of the pages (path and text) that there are."""
    nav = [{"libhijack": "index.md"}]
    for it in sections:
        inside = section(pages, it["folder"], it.get("first", []), it.get("short", {}))
        for part in it.get("parts", []):
            content = section(pages, part["folder"], part.get("first", []), part.get("short", {}))
            if content:
                inside.append({part["title"]: content})
        if inside:
            nav.append({it["title"]: inside})
    return nav
