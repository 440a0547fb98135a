package hijack_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	hijack "github.com/libhijack/libhijack/go"
)

const patience = 60 * time.Second // for what must happen; nothing waits that long when all is well

// TestMain also looks at what is left behind once all tests are over.
func TestMain(m *testing.M) {
	before := leftovers()
	code := m.Run()
	if code == 0 {
		deadline := time.Now().Add(patience)
		after := leftovers()
		for ; !after.within(before) && time.Now().Before(deadline); after = leftovers() {
			runtime.GC()
			time.Sleep(10 * time.Millisecond)
		}
		if !after.within(before) {
			stacks := make([]byte, 1<<20)
			fmt.Printf("left behind: %+v, before the tests %+v\n%s\n", after, before,
				stacks[:runtime.Stack(stacks, true)])
			code = 1
		}
	}
	os.Exit(code)
}

// times is how often a test repeats something: long in the long form (HIJACK_LONG is set: make stress), else short.
func times(long, short int) int {
	if os.Getenv("HIJACK_LONG") != "" {
		short = long
	}
	return (short + slowdown - 1) / slowdown
}

// counts is what a process has; threads are loop threads alone, since Go keeps its own for later use.
type counts struct{ goroutines, descriptors, loops int }

func leftovers() counts {
	return counts{runtime.NumGoroutine(), entries("/proc/self/fd"), loopThreads()}
}

func (c counts) within(limit counts) bool {
	// The poller of Go itself takes some descriptors when the first connection is made.
	return c.goroutines <= limit.goroutines && c.descriptors <= limit.descriptors+4 && c.loops <= limit.loops
}

func entries(folder string) int {
	list, err := os.ReadDir(folder)
	if err != nil {
		panic(err)
	}
	return len(list)
}

// loopThreads are those that block SIGINT, as the library's do and Go's do not.
func loopThreads() (n int) {
	tasks, _ := os.ReadDir("/proc/self/task")
	for _, task := range tasks {
		status, _ := os.ReadFile("/proc/self/task/" + task.Name() + "/status")
		for _, line := range strings.Split(string(status), "\n") {
			var mask uint64
			if k, _ := fmt.Sscanf(line, "SigBlk: %x", &mask); k == 1 && mask&(1<<1) != 0 && mask&(1<<14) != 0 {
				n++
			}
		}
	}
	return n
}

// lockedBuffer is a buffer that a test reads while others write.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// newServer makes a server that is stopped with the test, and that logs into it.
func newServer(t testing.TB, options hijack.Options) *hijack.Server {
	t.Helper()
	all := hijack.Options{"threads": 1}
	for name, value := range options {
		all[name] = value
	}
	server, err := hijack.NewServer(all)
	must(t, err)
	server.ErrorLog = log.New(testLog{t}, "", 0)
	t.Cleanup(func() { server.Stop() })
	return server
}

type testLog struct{ testing.TB }

func (l testLog) Write(p []byte) (int, error) {
	l.Errorf("the server logged: %s", p)
	return len(p), nil
}

// serve starts a server on a free port and gives its address.
func serve(t testing.TB, server *hijack.Server, handler hijack.Handler) string {
	t.Helper()
	addr, err := server.Listen("127.0.0.1:0")
	must(t, err)
	must(t, server.Start(handler))
	return addr.String()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// want fails unless got prints as wanted.
func want(t testing.TB, what string, got, wanted any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(wanted) {
		t.Fatalf("%s: got %q, want %q", what, fmt.Sprint(got), fmt.Sprint(wanted))
	}
}

// until waits for a condition.
func until(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: did not happen in %v", what, patience)
		}
	}
}

// parked waits until so many goroutines wait in a call of the package for the other side, or for each other.
func parked(t testing.TB, goroutines int) {
	t.Helper()
	until(t, fmt.Sprint(goroutines, " goroutines wait"), func() bool {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		return bytes.Count(stacks, []byte("[select]:\ngithub.com/libhijack/libhijack/go.pause(")) >= goroutines
	})
}

// flood is more than the kernel takes for a peer that does not read: 4 MiB for sending, 128 KiB for receiving.
var flood = make([]byte, 12<<20)

// fill writes so much to a peer that does not read that nothing more is taken until it does.
func fill(t testing.TB, to interface{ TryWrite([]byte) error }) {
	t.Helper()
	must(t, to.TryWrite(flood))
	wantError(t, to.TryWrite([]byte("x")), hijack.ErrWouldBlock, "write ")
}

// barrier waits until the only loop of a server has got round, so that it has done whatever it was about to do.
func barrier(t *testing.T, server *hijack.Server) {
	t.Helper()
	for i := 0; i < 3; i++ {
		socket, peer := pair(t, server, false)
		_, err := peer.Write([]byte("x"))
		must(t, err)
		must(t, socket.SetReadDeadline(time.Now().Add(patience)))
		_, err = socket.Read(make([]byte, 1))
		must(t, err)
		must(t, socket.Close())
	}
}

// within waits for a channel to be closed or to bring something.
func within[T any](t testing.TB, what string, c <-chan T) (it T) {
	t.Helper()
	select {
	case it = <-c:
	case <-time.After(patience):
		t.Fatalf("%s: did not happen in %v", what, patience)
	}
	return it
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// client is a plain connection that reads with a deadline.
type client struct {
	*net.TCPConn
	*bufio.Reader
	t testing.TB
}

func dial(t testing.TB, addr string) *client {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, patience)
	must(t, err)
	return clientOf(t, conn)
}

func clientOf(t testing.TB, conn net.Conn) *client {
	t.Helper()
	t.Cleanup(func() { conn.Close() })
	must(t, conn.SetDeadline(time.Now().Add(patience)))
	return &client{conn.(*net.TCPConn), bufio.NewReader(conn), t}
}

func (c *client) Read(p []byte) (int, error) { return c.Reader.Read(p) }

// get sends a request of HTTP/1.1, more are further lines or what follows the head.
func (c *client) get(target string) *client {
	c.t.Helper()
	return c.say("GET " + target + " HTTP/1.1\r\nHost: me\r\n\r\n")
}

func (c *client) say(text string) *client {
	c.t.Helper()
	_, err := io.WriteString(c.TCPConn, text)
	must(c.t, err)
	return c
}

// head reads a response head and gives its first line and the other lines.
func (c *client) head() (string, string) {
	c.t.Helper()
	first := c.upTo("\r\n")
	rest := ""
	for line := c.upTo("\r\n"); line != "\r\n"; line = c.upTo("\r\n") {
		rest += line
	}
	return strings.TrimSuffix(first, "\r\n"), rest
}

// upTo reads including end.
func (c *client) upTo(end string) string {
	c.t.Helper()
	var got []byte
	for !bytes.HasSuffix(got, []byte(end)) {
		b, err := c.ReadByte()
		if err != nil {
			c.t.Fatalf("after %q: %v, want %q", got, err, end)
		}
		got = append(got, b)
	}
	return string(got)
}

// expect reads exactly text.
func (c *client) expect(text string) *client {
	c.t.Helper()
	got := make([]byte, len(text))
	n, err := io.ReadFull(c, got)
	if string(got[:n]) != text {
		c.t.Fatalf("got %q (%v), want %q", got[:n], err, text)
	}
	return c
}

// ended reads up to the end, orderly or not, and gives what came.
func (c *client) ended() string {
	c.t.Helper()
	rest, err := io.ReadAll(c)
	if e, ok := err.(net.Error); ok && e.Timeout() {
		c.t.Fatalf("the connection did not end; %q came", rest)
	}
	return string(rest)
}

// crowd is the process of bindings/tools/crowd.py.
type crowd struct {
	t   testing.TB
	in  io.WriteCloser
	out *bufio.Reader
}

func newCrowd(t testing.TB, arguments ...string) *crowd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*patience)
	arguments = append([]string{"-B", "../bindings/tools/crowd.py"}, arguments...)
	process := exec.CommandContext(ctx, "python3", arguments...)
	process.Stderr = os.Stderr
	in, err := process.StdinPipe()
	must(t, err)
	out, err := process.StdoutPipe()
	must(t, err)
	if err := process.Start(); err != nil {
		t.Fatalf("this test needs python3 for its clients: %v", err)
	}
	t.Cleanup(func() {
		in.Close()
		process.Wait()
		cancel()
	})
	return &crowd{t, in, bufio.NewReader(out)}
}

// ask sends a command ("" for the answer to the start) and fails unless all connections did what it says.
func (c *crowd) ask(format string, values ...any) map[string]any {
	c.t.Helper()
	command := fmt.Sprintf(format, values...)
	if command != "" {
		_, err := io.WriteString(c.in, command+"\n")
		must(c.t, err)
	}
	line, err := c.out.ReadString('\n')
	must(c.t, err)
	var answer map[string]any
	must(c.t, json.Unmarshal([]byte(line), &answer))
	if answer["ok"] != true {
		c.t.Fatalf("crowd %q: %s", command, line)
	}
	return answer
}
