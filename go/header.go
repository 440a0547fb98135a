package hijack

import (
	"net/textproto"
	"sort"
	"strings"
)

// Header is the header lines of a request or response. Functions take any map[string][]string, so that an http.Header
// can be given as it is.
type Header map[string][]string

// Get is the first value of that name in any case, "" where there is none.
func (h Header) Get(name string) string {
	return textproto.MIMEHeader(h).Get(name)
}

// Values are all values of that name in any case.
func (h Header) Values(name string) []string {
	return textproto.MIMEHeader(h).Values(name)
}

// Set makes value the only one of that name.
func (h Header) Set(name, value string) {
	textproto.MIMEHeader(h).Set(name, value)
}

// Add adds a value to those of that name.
func (h Header) Add(name, value string) {
	textproto.MIMEHeader(h).Add(name, value)
}

// block is the header in the library's form, "name: value\r\n" each, in the order of the names. What a name or a value
// may be the library checks, but for what would make it two lines, or another name: that must be found here.
func block(header map[string][]string) (string, error) {
	names := make([]string, 0, len(header))
	for name := range header {
		names = append(names, name)
	}
	sort.Strings(names)
	var b strings.Builder
	for _, name := range names {
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
