"""The site builds without a warning (mkdocs build --strict), each page of docs/ is in its menu, and neighbouring
programs in several languages became tabs. check_site.py MKDOCS SITE: the site is built into the folder SITE."""

import os
import pathlib
import re
import subprocess
import sys

import documents


def main():
    mkdocs, site = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()
    result = subprocess.run([mkdocs, "build", "--strict", "--site-dir", str(site)], cwd=documents.SOURCE,
                            env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, text=True, capture_output=True, check=False)
    if result.returncode:
        lines = (result.stdout + result.stderr).splitlines()
        sys.exit("\n".join(line for line in lines if line and not line.startswith("INFO")))
    problems = []
    front = (site / "index.html").read_text()
    pages = sorted((documents.SOURCE / "docs").glob("**/*.md"))
    menu = set(re.findall(r'href="([^"#:]+\.html)', front))
    for page in pages:
        name = page.relative_to(documents.SOURCE / "docs").as_posix().replace("README.md", "index.md")
        if name.replace(".md", ".html") not in menu:
            problems.append(f"docs/{name}: is not in the menu of the site")
    tabs = sum(len(re.findall(r'class="tabbed-set', path.read_text())) for path in site.glob("**/*.html"))
    if not tabs:
        problems.append("no page has programs in tabs: is scripts/site/tabs.py still right?")
    print("\n".join(problems) if problems else f"{len(pages)} pages, {tabs} programs in tabs")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
