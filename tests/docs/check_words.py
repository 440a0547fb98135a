"""What people read keeps to the list of words in words.txt: pages, the public header, the packages' comments.
check_words.py [FILE...]: only these."""

import pathlib
import re
import sys

import documents

LIST = pathlib.Path(__file__).with_name("words.txt")


def rules():
    for line in LIST.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            pattern, instead, *exempt = line.split("\t")
            spaced = pattern if "(?<" in pattern else pattern.replace(" ", "[ ]+")  # the end of a line is some spaces
            yield re.compile(spaced, re.I), instead, exempt[0].split() if exempt else []


def found(path, text, patterns):
    """(line, words, what to write instead) in one file. Words may be split by the end of a line."""
    flat = re.sub(r"\n[ \t]*(?:\*|>)?[ \t]*", lambda match: " " * len(match.group()), text)
    name = path.relative_to(documents.SOURCE).as_posix()
    for pattern, instead, exempt in patterns:
        if any(name == it or name.startswith(f"{it}/") for it in exempt):
            continue
        for match in pattern.finditer(flat):
            yield text.count("\n", 0, match.start()) + 1, re.sub(r" +", " ", match.group()).strip(), instead


def main():
    wanted = {pathlib.Path(name).resolve() for name in sys.argv[1:]}
    patterns = list(rules())
    problems = []
    for path, text in documents.prose():
        if wanted and path not in wanted:
            continue
        where = path.relative_to(documents.SOURCE)
        problems += [f"{where}:{line}: “{words}”: write: {instead}" for line, words, instead in
                     sorted(found(path, text, patterns))]
    print("\n".join(problems) if problems else "no word of words.txt was found")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
