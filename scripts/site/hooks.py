"""What mkdocs runs while it builds the site (mkdocs.yml, hooks): the order of pages, the front page, the generated API
reference, links that leave docs/, and tabs."""

import pathlib
import sys

from mkdocs.structure.files import File

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import go_reference  # noqa: E402
import links  # noqa: E402
import navigation  # noqa: E402
import python_reference  # noqa: E402
import ruby_reference  # noqa: E402
import tabs  # noqa: E402

ROOT = HERE.parents[1]
MERMAID = ROOT / "build" / "site-npm" / "node_modules" / "mermaid" / "dist" / "mermaid.min.js"


def on_config(config):
    config.extra_css.append("assets/site.css")
    # Without this copy the theme takes the drawing program from the net.
    if MERMAID.exists():
        config.extra_javascript.append("assets/mermaid.min.js")
    return config


def on_files(files, config):
    files.append(File.generated(config, "assets/site.css", abs_src_path=str(HERE / "site.css")))
    generated = {"index.md": (ROOT / "README.md").read_text()}
    for reference in (ruby_reference, python_reference, go_reference):
        generated.update(reference.pages(ROOT))
    for name, text in generated.items():
        files.append(File.generated(config, name, content=text))
    if MERMAID.exists():
        files.append(File.generated(config, "assets/mermaid.min.js", abs_src_path=str(MERMAID)))
    config.nav = navigation.entries({file.src_uri: file.content_string for file in files.documentation_pages()},
                                    config.extra["sections"])
    return files


def on_page_markdown(markdown, page, config, files):
    return tabs.tabbed(links.rewritten(markdown, page.file.src_uri, config.extra["repository"]))
