"""The checks of the documentation find what they are for: each of them is given faults."""

import pathlib
import re
import unittest

import check_links
import check_words
import documents

import fences
import links
import navigation
import ruby_reference
import tabs

DOCS = documents.SOURCE / "docs"
PROGRAMS = "**Ruby**\n\n```ruby\nputs 1\n```\n\n```go\nprintln(1)\n```\n\nText.\n\n```c\nint a;\n```\n"


def words(text):
    rules = list(check_words.rules())
    return [it[1] for it in check_words.found(DOCS / "x.md", documents.page(text), rules)]


class Links(unittest.TestCase):
    def test_what_is_wrong_with_a_link(self):
        page = DOCS / "reference" / "errors.md"
        for target in ("options.md", "options.md#server", "../../README.md", "#two-that-are-normal",
                       "https://example.org"):
            self.assertIsNone(check_links.wrong(page, target), target)
        for target in ("nothing.md", "options.md#nothing", "/options.md", "#nothing", "http://example.org"):
            self.assertIsNotNone(check_links.wrong(page, target), target)

    def test_anchors_are_those_of_code_hosts(self):
        for heading, anchor in (("What `free` does: A, B", "what-free-does-a-b"), ("HTTP/2", "http2"),
                                ("a_b - c", "a_b---c"), ("A [link](x.md)", "a-link")):
            self.assertEqual(check_links.slug(heading), anchor)

    def test_links_are_found_outside_of_code_only(self):
        text = '[a](b.md) `[c](d.md)`\n```\n[e](f.md)\n```\n<img src="g.png">\n\n[h]: i.md\n'
        self.assertEqual([target for _, target in links.targets(text)], ["b.md", "i.md", "g.png"])

    def test_links_on_the_site(self):
        def site(text, page):
            return links.rewritten(text, page, "https://host")
        self.assertEqual(site("[a](docs/x.md#y) [b](LICENSE)", "index.md"),
                         "[a](x.md#y) [b](https://host/blob/main/LICENSE)")
        self.assertEqual(site("[a](../../README.md#b)", "guides/x.md"), "[a](../index.md#b)")
        self.assertEqual(site("[a](../start/c.md) [b](../../Makefile)", "guides/x.md"),
                         "[a](../start/c.md) [b](https://host/blob/main/Makefile)")


class Words(unittest.TestCase):
    def test_words_are_found_with_their_lines(self):
        text = "One.\n\nThe error says\nit at\nonce, too.\n"
        found = list(check_words.found(DOCS / "x.md", text, list(check_words.rules())))
        self.assertEqual(sorted((line, it) for line, it, _ in found), [(3, "says"), (4, "at once"), (5, ", too.")])

    def test_code_quotes_and_addresses_are_left_alone(self):
        self.assertEqual(words('`says` "at once" [a](says.md)\n```\nnoun\n```\n'), [])

    def test_what_is_good_english(self):
        for text in ("in order to win", "in the order of the calls", "there is no limit", "it is no longer open"):
            self.assertEqual(words(text), [], text)

    def test_exempt_folders(self):
        rules = list(check_words.rules())
        self.assertFalse(list(check_words.found(DOCS / "internals/x.md", "the turn", rules)))
        self.assertTrue(list(check_words.found(DOCS / "x.md", "the turn", rules)))

    def test_every_rule_can_match(self):
        self.assertGreater(len(list(check_words.rules())), 25)

    def test_comments_of_sources(self):
        ruby = documents.comments("#", documents.PUBLIC_RUBY, "@api private")
        self.assertIn("says", ruby("# It says.\ndef a\n"))
        self.assertNotIn("says", ruby("# It says.\n# @api private\ndef a\n"))
        go = documents.comments("//", documents.PUBLIC_GO)
        self.assertIn("says", go("// It says.\nfunc (b *Box) Open() {\n"))
        self.assertNotIn("says", go("// It says.\nfunc (b *Box) open() {\n"))
        self.assertNotIn("says", documents.docstrings('def _a():\n    """It says."""\n'))
        public = documents.docstrings('x = 1\ndef a():\n    """It says."""\n')
        self.assertEqual(public.split("\n")[2].strip(), "It says.")
        self.assertNotIn("says", documents.comments_of_c('/* a */ int says;'))


class Site(unittest.TestCase):
    def test_neighbours_become_tabs(self):
        text = tabs.tabbed(PROGRAMS)
        self.assertEqual(re.findall(r'=== "(\w+)"', text), ["Ruby", "Go"])
        self.assertIn("Text.\n\n```c\nint a;\n```\n", text)
        comment = PROGRAMS.replace("```go", "<!-- file b.go -->\n```go")
        named = tabs.tabbed(comment.replace("**Ruby**", "**Puma**, `a.rb`:"))
        self.assertIn('=== "Puma"\n\n    ```ruby title="a.rb"\n    puts 1\n    ```\n', named)

    def test_the_pieces_are_the_whole(self):
        self.assertEqual("".join(piece for _, piece in fences.pieces(PROGRAMS)), PROGRAMS)
        self.assertEqual(fences.blanked(PROGRAMS).count("\n"), PROGRAMS.count("\n"))

    def test_the_menu_forgets_no_page(self):
        pages = {"index.md": "# A", "a/z.md": "# Last", "a/b.md": "# First", "a/b/c.md": "# Deep"}
        nav = navigation.entries(pages, [{"title": "T", "folder": "a", "first": ["z", "absent"],
                                          "parts": [{"title": "P", "folder": "a/b"}]}])
        self.assertEqual(nav[1], {"T": [{"Last": "a/z.md"}, {"First": "a/b.md"}, {"P": [{"Deep": "a/b/c.md"}]}]})

    def test_ruby_comments(self):
        nouns = {}
        ruby_reference.read(documents.SOURCE / "ruby/lib/hijack_ffi/broadcaster.rb", nouns)
        names = [called for called, _, _ in nouns["Hijack::Broadcaster"].methods]
        self.assertIn("#publish", names)
        self.assertNotIn(".new", names)  # it is marked @api private


if __name__ == "__main__":
    unittest.main()
