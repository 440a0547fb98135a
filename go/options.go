package hijack

// #include "generated.h"
import "C"

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Options are options by name, for NewServer and NewBroadcaster: Options{"threads": 2, "heartbeat_ms": 5000}. All names
// with their bounds and defaults are in docs/reference/options.md. Values are numbers, strings (sizes may end in k or
// m), or a time.Duration where the name ends in _ms; parts of a millisecond are rounded up. A name that does not exist
// is ErrOption, a value out of bounds ErrOutOfRange; the error's text has the bounds.
type Options map[string]any

// set gives each option of this scope to call, in the order of their names. op is what errors say was tried, and before
// what comes before the option's name there.
func (o Options) set(op, before, scope string, call func(name, value string) C.int) error {
	for _, name := range sortedNames(o) {
		value := fmt.Sprint(o[name])
		if d, ok := o[name].(time.Duration); ok && strings.HasSuffix(name, "_ms") { // "1s" fits no other option
			value = strconv.FormatInt(milliseconds(d), 10)
		}
		if err := check(op, before+name+"="+value, call(name, value)); err != nil {
			return explainOption(err, scope, name)
		}
	}
	return nil
}

// milliseconds is d in whole milliseconds, away from 0: a short time must not become 0, which often means never.
func milliseconds(d time.Duration) int64 {
	if rest := d % time.Millisecond; rest > 0 {
		d += time.Millisecond
	} else if rest < 0 {
		d -= time.Millisecond
	}
	return d.Milliseconds()
}

// ofQueue is whether the library's own table has this option for queues.
func ofQueue(name string) bool {
	return strings.Contains("\n"+C.GoString(C.hj_go_options()), "\nqueue\t"+name+"\t")
}

// explainOption says what values an option takes, or which name was meant. The library's table has lines of scope,
// name, type, minimum, maximum, default and help; a server takes the options of its queue as well.
func explainOption(err error, scope, name string) error {
	const fields, alike = 7, 4 // as many mistakes make another name
	failed := err.(*OpError)
	hint, least := "docs/reference/options.md lists them", alike
	for _, line := range strings.Split(C.GoString(C.hj_go_options()), "\n") {
		it := strings.SplitN(line, "\t", fields)
		if len(it) < fields {
			continue
		}
		ours := it[0] == scope || it[0] == "queue" && scope == "server"
		switch d := distance(it[1], name); {
		case failed.Err == ErrOutOfRange && ours && d == 0 && it[3] == "-": // a choice, whose help names most of them
			failed.Err = because(ErrOutOfRange, "expected %s (default: %s)", it[6], it[5])
		case failed.Err == ErrOutOfRange && ours && d == 0:
			failed.Err = because(ErrOutOfRange, "expected %s from %s to %s: %s", it[2], it[3], it[4], it[6])
		case d == 0 && !ours && least > 0:
			hint, least = "it is a "+it[0]+" option", 0
		case ours && d < least:
			hint, least = "did you mean "+it[1]+"?", d
		case ours && least == alike && strings.HasPrefix(it[1], name):
			hint = "did you mean " + it[1] + "?"
		}
	}
	if failed.Err == ErrOption {
		failed.Err = because(ErrOption, "no %s option has this name; %s", scope, hint)
	}
	return err
}

// distance is how many letters must be put in, taken out or replaced to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		before := row[0]
		row[0]++
		for j := range b {
			steps := []int{before, row[j], row[j+1]}
			before = row[j+1]
			if row[j+1] = steps[0]; a[i] != b[j] {
				sort.Ints(steps)
				row[j+1] = 1 + steps[0]
			}
		}
	}
	return row[len(b)]
}
