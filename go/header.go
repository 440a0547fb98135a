//go:build cgo

package hijack

import (
	"net/textproto"
	"sort"
	"strings"
)

// Header is the header lines of a request or response, with the methods Get, Values, Set, Add and Del for names in any
// case. Functions take any map[string][]string, so that an http.Header can be given as it is.
type Header = textproto.MIMEHeader

// block is the header in the library's form, "name: value\r\n" each, in the order of the names. What a name or a value
// may be the library checks, but for what would make it two lines, or another name: that must be found here.
func block(header map[string][]string) (string, error) {
	var b strings.Builder
	for _, name := range sortedNames(header) {
		if !isToken(name) {
			return "", &OpError{"header", name, because(ErrHeader, "a name is one word of ASCII letters, digits and -")}
		}
		for _, value := range header[name] {
			if strings.ContainsAny(value, "\r\n\x00") {
				return "", &OpError{"header", name, because(ErrHeader,
					"a value is one line without NUL (got %q)", value)}
			}
			b.WriteString(name)
			b.WriteString(": ")
			b.WriteString(value)
			b.WriteString("\r\n")
		}
	}
	return b.String(), nil
}

// passedOn is what of another server's response header goes into ours. Names that net/http would not send are left out,
// and control characters in values become spaces, so that a middleware's mistake does not cost the response.
func passedOn(header map[string][]string) Header {
	below := make(Header)
	for name, values := range header {
		key := textproto.CanonicalMIMEHeaderKey(name)
		if notTaken[key] || !isToken(name) {
			continue
		}
		for _, value := range values {
			below[key] = append(below[key], strings.TrimSpace(strings.Map(printable, value)))
		}
	}
	return below
}

func isToken(name string) bool {
	const letters = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	return name != "" && strings.Trim(name, letters) == ""
}

func printable(r rune) rune {
	if (r < ' ' && r != '\t') || r == 0x7f {
		return ' '
	}
	return r
}

// over is header on top of what lies below it, which it replaces line by line; events have lines of their own.
func (r *Request) over(header map[string][]string, events bool) map[string][]string {
	if len(r.below) == 0 {
		return header
	}
	all := make(Header, len(r.below)+len(header))
	for name, values := range r.below {
		if !(events && ofEvents[name]) {
			all[name] = values
		}
	}
	for name, values := range header {
		switch key := textproto.CanonicalMIMEHeaderKey(name); key {
		case "Set-Cookie", "Vary":
			all[key] = append(append([]string(nil), all[key]...), values...)
		default:
			delete(all, key)
			all[name] = values
		}
	}
	return all
}

func sortedNames[V any](of map[string]V) []string {
	names := make([]string, 0, len(of))
	for name := range of {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// parseHeader reads such a block; names get their usual form, "Content-Type". All values share one array.
func parseHeader(block string) Header {
	lines := strings.Count(block, "\r\n") + 1 // the last one may have no line end
	header, values := make(Header, lines), make([]string, lines)
	for i := 0; block != ""; i++ {
		line, rest, _ := strings.Cut(block, "\r\n")
		name, value, _ := strings.Cut(line, ":")
		key := textproto.CanonicalMIMEHeaderKey(name)
		values[i] = strings.TrimPrefix(value, " ")
		if before := header[key]; before != nil {
			header[key] = append(before, values[i])
		} else {
			header[key] = values[i : i+1 : i+1]
		}
		block = rest
	}
	return header
}
