package hijack

// #include "generated.h"
import "C"

import (
	"fmt"
	"strings"
	"time"
)

// Options are options by name, for NewServer and NewBroadcaster: Options{"threads": 2, "heartbeat_ms": 5000}. All names
// with their bounds and defaults are in docs/options.md. Values are numbers, strings (sizes may end in k or m), or a
// time.Duration where the name ends in _ms. A name that does not exist is ErrOption, a value out of bounds
// ErrOutOfRange.
type Options map[string]any

// set gives each option to call, in the order of their names.
func (o Options) set(call func(name, value string) C.int) error {
	return o.setFor("option", "", call)
}

// setFor is set with what an error says was tried, and what comes before the option's name there.
func (o Options) setFor(op, before string, call func(name, value string) C.int) error {
	for _, name := range sortedNames(o) {
		value := fmt.Sprint(o[name])
		if d, ok := o[name].(time.Duration); ok {
			value = fmt.Sprint(d.Milliseconds())
		}
		if err := check(op, before+name+"="+value, call(name, value)); err != nil {
			return err
		}
	}
	return nil
}

// ofQueue is whether the library's own table has this option for queues.
func ofQueue(name string) bool {
	return strings.Contains("\n"+C.GoString(C.hj_go_options()), "\nqueue\t"+name+"\t")
}
