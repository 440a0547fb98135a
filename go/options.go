package hijack

// #include "generated.h"
import "C"

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Options are options by name, for NewServer and NewBroadcaster: Options{"threads": 2, "heartbeat_ms": 5000}. All names
// with their bounds and defaults are in docs/options.md. Values are numbers, strings (sizes may end in k or m), or a
// time.Duration where the name ends in _ms; parts of a millisecond are rounded up. A name that does not exist is
// ErrOption, a value out of bounds ErrOutOfRange; the error's text has the bounds.
type Options map[string]any

// set gives each option of this scope to call, in the order of their names.
func (o Options) set(scope string, call func(name, value string) C.int) error {
	return o.setFor("option", "", scope, call)
}

// setFor is set with what an error says was tried, and what comes before the option's name there.
func (o Options) setFor(op, before, scope string, call func(name, value string) C.int) error {
	for _, name := range sortedNames(o) {
		value := fmt.Sprint(o[name])
		if d, ok := o[name].(time.Duration); ok {
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
	ms := int64(d / time.Millisecond)
	if rest := d % time.Millisecond; rest > 0 {
		ms++
	} else if rest < 0 {
		ms--
	}
	return ms
}

// option is a line of the library's own table: scope, name, type, minimum, maximum, default, help.
type option []string

const optionFields = 7

func allOptions() (all []option) {
	for _, line := range strings.Split(C.GoString(C.hj_go_options()), "\n") {
		if it := option(strings.SplitN(line, "\t", optionFields)); len(it) == optionFields {
			all = append(all, it)
		}
	}
	return all
}

// ofQueue is whether there is such an option of queues.
func ofQueue(name string) bool {
	for _, it := range allOptions() {
		if it[0] == "queue" && it[1] == name {
			return true
		}
	}
	return false
}

// expects is what values the option takes.
func (o option) expects() string {
	switch o[2] {
	case "int":
		return fmt.Sprintf("a number from %s to %s (%s)", o[3], o[4], o[6])
	case "size":
		return fmt.Sprintf("bytes from %s to %s, or with k or m at the end (%s)", o[3], o[4], o[6])
	case "string":
		return fmt.Sprintf("a text of %s to %s bytes (%s)", o[3], o[4], o[6])
	}
	return o[6] // of a choice, it names them
}

// explainOption says what was expected. A server's options include those of its queue.
func explainOption(err error, scope, name string) error {
	var failed *OpError
	errors.As(err, &failed)
	nearest, least := "", 4 // mistakes, from which on a name is another one
	for _, it := range allOptions() {
		fits := it[0] == scope || (it[0] == "queue" && scope == "server")
		if fits && it[1] == name && errors.Is(err, ErrOutOfRange) {
			return &OpError{failed.Op, failed.Value, because(ErrOutOfRange, "expected %s", it.expects())}
		} else if d := distance(it[1], name); fits && d < least {
			nearest, least = it[1], d
		}
	}
	if errors.Is(err, ErrOption) && nearest != "" {
		return &OpError{failed.Op, failed.Value, because(ErrOption, "no option has this name; did you mean %s?", nearest)}
	} else if errors.Is(err, ErrOption) {
		return &OpError{failed.Op, failed.Value, because(ErrOption, "no %s option has this name; docs/options.md lists them",
			scope)}
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
		diagonal := row[0]
		row[0]++
		for j := range b {
			best := diagonal
			if a[i] != b[j] {
				best++
			}
			diagonal = row[j+1]
			if row[j]+1 < best {
				best = row[j] + 1
			}
			if diagonal+1 < best {
				best = diagonal + 1
			}
			row[j+1] = best
		}
	}
	return row[len(b)]
}
