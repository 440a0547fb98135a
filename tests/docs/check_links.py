"""Each link in a Markdown file of the repository leads to a file that exists and to a heading that is in it, by the
anchors of code hosts. Links to other sites are not opened; they are https, except to this machine."""

import posixpath
import re
import sys

import documents

import fences
import links

LOCAL = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\])")


def slug(heading):
    """A heading's anchor, as code hosts make it."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    text = re.sub(r"[^\w\- ]", "", text.replace("`", "").strip().lower())
    return text.replace(" ", "-")


def anchors(path):
    found = {}
    text = path.read_text(encoding="utf-8")
    for match in re.finditer(r"^#{1,6} +(.+?) *#* *$", fences.blanked(text), re.M):
        name = slug(match[1])
        found[name] = found.get(name, 0) + 1
    names = set(found) | {f"{name}-{index}" for name, count in found.items() for index in range(1, count)}
    return names | set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", text))


def wrong(page, target):
    """What is wrong with a link of this page, or nothing."""
    if links.outside(target):
        return "is not https" if target.startswith("http:") and not LOCAL.match(target) else None
    path, _, anchor = target.partition("#")
    if path.startswith("/"):
        return "is absolute; write it from this file's folder"
    file = documents.SOURCE / posixpath.normpath((page.parent / path).relative_to(documents.SOURCE)) if path else page
    if not file.exists():
        return "leads to no file"
    if anchor and (file.suffix != ".md" or anchor not in anchors(file)):
        return f"leads to no heading of {file.relative_to(documents.SOURCE)}"
    return None


def main():
    problems, count = [], 0
    for page in documents.markdown():
        text = page.read_text(encoding="utf-8")
        for place, target in links.targets(text):
            count += 1
            what = wrong(page, target)
            if what:
                line = text.count("\n", 0, place) + 1
                problems.append(f"{page.relative_to(documents.SOURCE)}:{line}: {target} {what}")
    print("\n".join(problems) if problems else f"{count} links lead somewhere")
    if count < 100:
        sys.exit(f"only {count} links were found: is the check still right?")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
