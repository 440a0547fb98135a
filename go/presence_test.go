package hijack_test

import (
	"errors"
	"fmt"
	"log"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"

	hijack "github.com/libhijack/libhijack/go"
)

// diary is what OnMembers has told.
type diary struct {
	mu    sync.Mutex
	lines map[string]int
}

func (d *diary) add(user uint64, joined bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines[fmt.Sprint(user, " ", joined, " ", err)]++
}

func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return fmt.Sprint(d.lines)
}

func diaryOf(t testing.TB, room *hijack.Broadcaster) *diary {
	t.Helper()
	d := &diary{lines: make(map[string]int)}
	must(t, room.OnMembers(d.add))
	return d
}

// untilMembers waits until a room has these members.
func untilMembers(t testing.TB, room *hijack.Broadcaster, wanted map[uint64]int) {
	t.Helper()
	until(t, fmt.Sprint("members are ", wanted), func() bool { return reflect.DeepEqual(room.Members(), wanted) })
}

// untilHeard waits until so many lines are in a diary, and looks at them.
func (d *diary) untilHeard(t testing.TB, wanted map[string]int) {
	t.Helper()
	count := func(lines map[string]int) (n int) {
		for _, times := range lines {
			n += times
		}
		return n
	}
	until(t, "all has been heard", func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return count(d.lines) >= count(wanted)
	})
	want(t, "the diary", d, wanted)
}

// A few hundred clients come, and leave by their own reset, by their end, or because the program closes their user.
func TestMembersAreExact(t *testing.T) {
	const users, each = 20, 15
	server, room := usersOf(t, "query:user", hijack.Options{"heartbeat_ms": 0, "threads": 2})
	told := diaryOf(t, room)
	addr := serve(t, server, nil)
	present, lines := make(map[uint64]int), make(map[string]int)
	come := func(user uint64) *client {
		c := dial(t, addr).get(fmt.Sprint("/raw?user=", user))
		present[user]++
		lines[fmt.Sprint(user, " true <nil>")]++
		return c
	}
	leave := func(user uint64, why error) {
		if present[user]--; present[user] == 0 {
			delete(present, user)
		}
		lines[fmt.Sprint(user, " false ", why)]++
	}
	for round := 0; round < times(10, 2); round++ {
		var clients [users][each]*client
		for i := 0; i < users*each; i++ {
			clients[i%users][i/users] = come(uint64(i % users))
		}
		untilMembers(t, room, present)
		for user := range clients {
			for i, c := range clients[user] {
				switch {
				case i%3 == 0:
					must(t, c.SetLinger(0))
					must(t, c.Close())
					leave(uint64(user), hijack.ErrReset)
				case i%3 == 1:
					must(t, c.Close())
					leave(uint64(user), hijack.ErrClosed)
				}
			}
		}
		untilMembers(t, room, present)
		for user := uint64(1); user < users; user += 2 {
			must(t, room.CloseUser(user))
			for present[user] > 0 {
				leave(user, nil)
			}
		}
		untilMembers(t, room, present)
	}
	told.untilHeard(t, lines)
	must(t, server.Stop())
	want(t, "members after the end", room.Members(), map[uint64]int{})
}

func TestMembersOfOtherKinds(t *testing.T) {
	server, room := usersOf(t, "query:user", hijack.Options{"heartbeat_ms": 0})
	addr := serve(t, server, nil)
	connect(t, addr, "/ws?user=1")
	stream := listen(t, addr, "/sse?user=1")
	listen(t, addr, "/sse")
	until(t, "three members", func() bool { return room.Len() == 3 })
	room.Members() // begins with those that are there
	untilMembers(t, room, map[uint64]int{0: 1, 1: 2})
	told := diaryOf(t, room)
	must(t, stream.Close())
	told.untilHeard(t, map[string]int{"1 false " + hijack.ErrClosed.Error(): 1})
	must(t, room.OnMembers(nil))
	must(t, room.RemoveUser(1))
	untilMembers(t, room, map[uint64]int{0: 1})
	want(t, "nobody hears any more", told, map[string]int{"1 false " + hijack.ErrClosed.Error(): 1})
	near, _ := tcpPair(t)
	must(t, room.Adopt(near, hijack.HoldRaw, nil, hijack.Newcomer{User: 1<<64 - 1}))
	untilMembers(t, room, map[uint64]int{0: 1, 1<<64 - 1: 1})
	room.Free()
	want(t, "members of a freed room", room.Members(), map[uint64]int{})
	wantError(t, room.OnMembers(nil), hijack.ErrFreed, "on members: ")
}

// A function that panics or ends its goroutine loses none of the records that have come together.
func TestOnMembersThatFails(t *testing.T) {
	const clients = 100
	server, room := usersOf(t, "query:user", nil)
	var logged lockedBuffer
	server.ErrorLog = log.New(&logged, "", 0)
	addr := serve(t, server, nil)
	for i := 0; i < clients; i++ {
		dial(t, addr).get("/raw?user=3")
	}
	until(t, "all are members", func() bool { return room.Len() == clients })
	var heard, left, wrong int
	done := make(chan error, 1)
	must(t, room.OnMembers(func(user uint64, joined bool, err error) {
		if !joined {
			left++ // at the end
			return
		}
		heard++
		if room.Members()[user] != heard || err != nil {
			wrong++
		}
		switch {
		case heard == clients:
			done <- server.Stop() // which does not wait here
		case heard%10 == 1:
			panic("of the test")
		case heard%10 == 2:
			runtime.Goexit()
		}
	}))
	must(t, within(t, "the last of them", done))
	within(t, "the server's end", server.Done())
	want(t, "wrong ones", wrong, 0)
	want(t, "left", left, clients)
	for text, count := range map[string]int{"panic in OnMembers: of the test": clients / 10,
		"what OnMembers was given ended its goroutine": clients / 10} {
		want(t, text, strings.Count(logged.String(), text), count)
	}
}

// The collector frees a room that only counts, and keeps one whose function wants to hear.
func TestPresenceOfForgottenBroadcasters(t *testing.T) {
	server := newServer(t, nil)
	got := make(chan error, 1)
	hold := func(path string, join func(room *hijack.Broadcaster)) {
		room, err := server.NewBroadcaster(nil)
		must(t, err)
		must(t, server.Hold(path, room, hijack.HoldRaw, nil))
		join(room)
	}
	hold("/count", func(room *hijack.Broadcaster) { room.Members() })
	hold("/hear", func(room *hijack.Broadcaster) {
		must(t, room.OnMembers(func(_ uint64, joined bool, err error) {
			if !joined {
				got <- err
			}
		}))
	})
	addr := serve(t, server, nil)
	until(t, "one is freed", func() bool { runtime.GC(); return server.BroadcasterCount() == 1 })
	dial(t, addr).get("/count")
	must(t, dial(t, addr).get("/hear").CloseWrite())
	if err := within(t, "the end of a member", got); !errors.Is(err, hijack.ErrClosed) {
		t.Errorf("got %v", err)
	}
}
