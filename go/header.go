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
		if strings.ContainsAny(name, ":\r\n\x00") {
			return "", &OpError{"header", strings.TrimSpace(name), ErrHeader}
		}
		for _, value := range header[name] {
			if strings.ContainsAny(value, "\r\n\x00") {
				return "", &OpError{"header", name, ErrHeader}
			}
			b.WriteString(name)
			b.WriteString(": ")
			b.WriteString(value)
			b.WriteString("\r\n")
		}
	}
	return b.String(), nil
}

func sortedNames[V any](of map[string]V) []string {
	names := make([]string, 0, len(of))
	for name := range of {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// parseHeader reads such a block; names get their usual form, "Content-Type".
func parseHeader(block string) Header {
	header := make(Header)
	for block != "" {
		line, rest, _ := strings.Cut(block, "\r\n")
		name, value, _ := strings.Cut(line, ":")
		key := textproto.CanonicalMIMEHeaderKey(name)
		header[key] = append(header[key], strings.TrimPrefix(value, " "))
		block = rest
	}
	return header
}
