"""The reference of the Ruby package: a page for each class, one for the errors, made of the comments above what is
public, by YARD's tags (@param, @return, @yield, @yieldparam, @yieldreturn, @raise, @see, @example, @api private)."""

import re

NOUN = re.compile(r"^( *)(class|module) ([A-Z]\w*)(?: < (.+))?$")
METHOD = re.compile(r"^( *)def (self\.)?([^\s(;=]+=?|==|=~)(\(.*?\))?(?:(?:;| =) .*)?$")
INCLUDE = re.compile(r"^ *include (.+)$")
ATTRIBUTE = re.compile(r"^( *)attr_(reader|accessor|writer) (.+)$")
ALIAS = re.compile(r"^( *)alias(?:_method)? :?(\S+?),? :?(\S+)$")
TAG = re.compile(r"^@(\w+)(?: (.*))?$")
SAFE = {"<<": "append", "[]": "get", "[]=": "set", "==": "equal", "<=>": "compare"}
TAGS = {"param": "parameter", "return": "returns", "raise": "raises", "yield": "calls the block",
        "yieldparam": "the block gets", "yieldreturn": "the block returns", "see": "see"}
ERRORS = "errors"


class Noun:
    def __init__(self, kind, name, parent):
        self.kind, self.name, self.parent = kind, name, parent
        self.comment, self.methods, self.aliases, self.included, self.hidden = [], [], {}, [], False


def anchor(name):
    """The place of a method on its class' page; name as YARD writes it, "#publish" or ".new"."""
    plain = name[1:]
    text = SAFE.get(plain, plain.replace("?", "-p").replace("!", "-bang").replace("=", "-set"))
    return f"self-{text}" if name[0] == "." else text


def read(path, nouns):
    """Adds what a file defines. Nesting is told by indentation, which the style of the sources makes exact."""
    stack, comment, private = [], [], set()
    for line in path.read_text().splitlines():
        depth = len(line) - len(line.lstrip())
        if re.match(r"^ *#( |$)", line):
            comment.append(line.strip()[2:])
            continue
        if line.strip() == "end" and stack and depth == stack[-1][0]:
            private.discard(stack.pop()[1])
        inside = stack[-1][1] if stack else ""
        found = NOUN.match(line)
        if found:
            name = f"{inside}::{found[3]}" if inside else found[3]
            noun = nouns.setdefault(name, Noun(found[2], name, found[4]))
            noun.hidden = noun.hidden or "@api private" in comment
            noun.comment = noun.comment or comment
            stack.append((depth, name))
        elif line.strip() == "private" or line.strip() == "protected":
            private.add(inside)
        elif inside and inside not in private:
            member(nouns[inside], line, comment, depth)
        if re.match(r" *private_constant (.+)", line):
            for name in re.findall(r":(\w+)", line):
                hidden = nouns.get(f"{inside}::{name}")
                if hidden:
                    hidden.hidden = True
        comment = []


def member(noun, line, comment, depth):
    found = METHOD.match(line.removeprefix("private_class_method "))
    if found and depth == 2 * (noun.name.count("::") + 1) and "@api private" not in comment:
        name, arguments = found[3], found[4] or ""
        if name == "initialize":
            noun.methods.append((".new", f"new{arguments}", comment))
        else:
            noun.methods.append((("." if found[2] else "#") + name, name + arguments, comment))
    found = ATTRIBUTE.match(line)
    if found and "@api private" not in comment:
        for name in re.findall(r":(\w+)", found[3]):
            noun.methods += [(f"#{name}", name, comment)] if found[2] != "writer" else []
            noun.methods += [(f"#{name}=", f"{name} = value", comment)] if found[2] != "reader" else []
    found = INCLUDE.match(line)
    if found:
        noun.included += found[1].split(", ")
    found = ALIAS.match(line)
    if found:
        noun.aliases.setdefault(found[3], []).append(found[2])


def parsed(root):
    """Every public class and module of the package by name."""
    nouns = {}
    for path in sorted((root / "ruby" / "lib").glob("**/*.rb")):
        read(path, nouns)
    return {name: noun for name, noun in nouns.items()
            if not noun.hidden and noun.comment}


def split(comment):
    """(paragraphs before the first tag, [tag, text])."""
    text, tags = [], []
    for line in comment:
        tag = TAG.match(line)
        if tag:
            tags.append([tag[1], tag[2] or ""])
        elif tags:
            tags[-1][1] += "\n" + (line[2:] if line.startswith("  ") else line)
        else:
            text.append(line)
    return "\n".join(text), tags


class Pages:
    def __init__(self, nouns):
        self.nouns = nouns
        self.places = {}
        for name, noun in nouns.items():
            page = page_of(name)
            self.places[name] = f"{page}.md" + (f"#{slug(name)}" if page != slug(name) else "")
            for called, _, _ in noun.methods:
                own = f"{slug(name)}-" if page == ERRORS else ""
                self.places[name + called] = f"{page}.md#{own}{anchor(called)}"
                for other in noun.aliases.get(called[1:], []):
                    self.places[name + called[0] + other] = self.places[name + called]
            if f"{name}.new" in self.places:
                self.places[f"{name}#initialize"] = self.places[f"{name}.new"]

    def ancestors(self, name):
        """This class or module, and those whose methods it has."""
        noun = self.nouns.get(name)
        if noun:
            yield name
            for other in [*noun.included, *([noun.parent] if noun.parent else [])]:
                yield from self.ancestors(f"Hijack::{other}")

    def prose(self, text, inside):
        """YARD's {Server#hold} becomes a link, and its +code+ code."""

        def link(match):
            target, _, label = match[1].partition(" ")
            above = [f"{name}{target}" for name in self.ancestors(inside)] if target[0] in "#." else []
            for name in (*above, f"Hijack::{target}", target):
                if name in self.places:
                    return f"[`{label or target}`]({self.places[name]})"
            return f"`{label or target}`"

        text = re.sub(r"(?<!`)\{((?:[A-Z#.]|::)[^}\s`]*(?: [^}]*)?)\}(?!`)", link, text)
        return text.replace("<<", "&lt;&lt;") if "`" not in text else text

    def tag(self, name, text, inside):
        types = re.match(r"(?:(\w+) )?\[((?:[^\[\]]|\[[^\]]*\])*)\]\s*(.*)", text, re.S)
        if not types:
            return f"- {TAGS.get(name, name)}: {self.prose(text, inside)}"
        what = f"`{types[1]}` " if types[1] else ""
        said = f": {self.prose(types[3], inside)}" if types[3] else ""
        return f"- {TAGS.get(name, name)} {what}(`{types[2]}`){said}"

    def comment(self, lines, inside):
        text, tags = split(lines)
        out = [self.prose(re.sub(r"^(  +)", r"  \1", text, flags=re.M), inside)]
        rows = [self.tag(name, said, inside) for name, said in tags if name not in ("api", "example")]
        if rows:
            out.append("\n".join(row.replace("\n", "\n  ") for row in rows))
        out += ["```ruby\n" + said.strip("\n") + "\n```" for name, said in tags if name == "example"]
        return "\n\n".join(part for part in out if part)

    def method(self, noun, called, signature, comment):
        place = self.places[noun.name + called].partition("#")[2]
        kind = "class method" if called[0] == "." else "method"
        others = noun.aliases.get(called[1:], [])
        also = f"\n\nAnother name is {', '.join(f'`{it}`' for it in others)}." if others else ""
        owner = noun.name.rpartition("::")[2] + "." if called[0] == "." else ""
        heading = f"### {kind} `{called[1:]}` {{ #{place} data-toc-label=\"{called}\" }}"
        return f"{heading}\n\n```ruby\n{owner}{signature}\n```\n\n{self.comment(comment, noun.name)}{also}"

    def noun(self, noun, depth):
        above = self.prose(f"{{{noun.parent.removeprefix('::')}}}", "") if noun.parent else ""
        parent = f"\n\nIts superclass is {above}." if above else ""
        out = [f"{'#' * depth} `{noun.name}` {{ #{slug(noun.name)} }}{parent}", self.comment(noun.comment, noun.name)]
        included = [self.prose(f"{{{name}}}", "") for name in noun.included if f"Hijack::{name}" in self.places]
        out += [f"It also has the methods of {' and '.join(included)}."] if included else []
        out += [self.method(noun, *it) for it in noun.methods]
        return "\n\n".join(out)


def slug(name):
    return name.removeprefix("Hijack::").replace("::", "-").lower()


def page_of(name):
    plain = name.removeprefix("Hijack::")
    return ERRORS if plain.endswith("Error") else slug(plain.partition("::")[0])


def pages(root):
    nouns = parsed(root)
    book = Pages(nouns)
    texts = {}
    for name, noun in sorted(nouns.items(), key=lambda it: (it[0] != "Hijack::Error", it[0])):
        page = page_of(name)
        first = page not in texts
        texts[page] = texts.get(page, "# Errors\n\n" if page == ERRORS else "") + (
            book.noun(noun, 1 if first and page != ERRORS else 2) + "\n\n")
    return {f"reference/ruby/{page}.md": text for page, text in texts.items()}
