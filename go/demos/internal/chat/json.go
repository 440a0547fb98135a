package chat

import (
	"fmt"
	"strings"
)

var escapes = newEscapes()

// quoted is a JSON string as JSON.stringify writes it; encoding/json escapes more, as '<' and U+2028.
func quoted(text string) string {
	return `"` + escapes.Replace(text) + `"`
}

func newEscapes() *strings.Replacer {
	pairs := []string{`"`, `\"`, `\`, `\\`, "\b", `\b`, "\f", `\f`, "\n", `\n`, "\r", `\r`, "\t", `\t`}
	for c := rune(0); c < ' '; c++ { // where one is here twice, the first pair counts
		pairs = append(pairs, string(c), fmt.Sprintf(`\u%04x`, c))
	}
	return strings.NewReplacer(pairs...)
}
