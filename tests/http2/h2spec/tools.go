//go:build tools

// Pins the version of h2spec that tests/http2/run.py builds.
package tools

import _ "github.com/summerwind/h2spec/cmd/h2spec"
