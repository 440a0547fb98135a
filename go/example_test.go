package hijack_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	hijack "github.com/libhijack/libhijack/go"
)

// started makes a server on a free port.
func started(handler hijack.Handler) (server *hijack.Server, addr string) {
	server, err := hijack.NewServer(nil)
	if err != nil {
		log.Fatal(err)
	}
	listening, err := server.Listen("127.0.0.1:0")
	if err == nil {
		err = server.Start(handler)
	}
	if err != nil {
		log.Fatal(err)
	}
	return server, listening.String()
}

// show prints the lines of a response's body up to an empty one, or its end.
func show(addr string) {
	response, err := http.Get("http://" + addr)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	for lines := bufio.NewScanner(response.Body); lines.Scan() && lines.Text() != ""; {
		fmt.Println(lines.Text())
	}
}

func ExampleServer() {
	server, err := hijack.NewServer(hijack.Options{"heartbeat_ms": 5 * time.Second})
	if err != nil {
		log.Fatal(err)
	}
	addr, err := server.Listen("127.0.0.1:0") // ":8080" for all interfaces
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() {
		ended <- server.Serve(ctx, func(r *hijack.Request) { r.Respond(200, nil, []byte("hello\n")) })
	}()
	show(addr.String())
	stop()
	fmt.Println(<-ended)
	// Output:
	// hello
	// <nil>
}

func ExampleServer_ListenOn() {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // or one that systemd has given
	if err != nil {
		log.Fatal(err)
	}
	server, err := hijack.NewServer(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer server.Stop()
	addr, err := server.ListenOn(listener)
	if err != nil {
		log.Fatal(err)
	}
	server.Start(func(r *hijack.Request) { r.Respond(200, nil, []byte("hello\n")) })
	show(addr.String())
	// Output: hello
}

func ExampleRequest() {
	server, addr := started(func(r *hijack.Request) {
		name := r.Query().Get("name")
		if name == "" {
			r.Respond(400, nil, []byte("who are you?\n"))
			return
		}
		r.Respond(200, hijack.Header{"Content-Type": {"text/plain"}}, []byte("hello "+name+"\n"))
	})
	defer server.Stop()
	show(addr)
	show(addr + "?name=ann")
	// Output:
	// who are you?
	// hello ann
}

func ExampleStream() {
	server, addr := started(func(r *hijack.Request) {
		stream, err := r.SSE(nil)
		if err != nil {
			return // the client has left
		}
		defer stream.Close()
		for i := 1; ; i++ {
			if err := stream.SendEvent(hijack.Event{Name: "count", Data: fmt.Sprint(i)}); err != nil {
				return
			}
			select {
			case <-stream.Done():
				return
			case <-time.After(time.Second):
			}
		}
	})
	defer server.Stop()
	show(addr)
	// Output:
	// event: count
	// data: 1
}

func ExampleStream_EventWriter() {
	page := template.Must(template.New("page").Parse("<b>{{.}}</b>\n<hr>"))
	server, addr := started(func(r *hijack.Request) {
		stream, err := r.SSE(nil)
		if err != nil {
			return
		}
		defer stream.Close()
		w := stream.EventWriter(hijack.Event{Name: "page"})
		if page.Execute(w, "a < b") == nil {
			w.Close() // sends one event
		}
	})
	defer server.Stop()
	show(addr)
	// Output:
	// event: page
	// data: <b>a &lt; b</b>
	// data: <hr>
}

func ExampleSocket() {
	server, addr := started(func(r *hijack.Request) {
		socket, err := r.HijackPartial(101, hijack.Header{"Connection": {"Upgrade"}, "Upgrade": {"echo"}})
		if err != nil {
			return
		}
		defer socket.Close()
		io.Copy(socket, socket)
	})
	defer server.Stop()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: me\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello\n")
	lines := bufio.NewScanner(conn)
	for lines.Scan() && lines.Text() != "" {
	}
	lines.Scan()
	fmt.Println(lines.Text())
	// Output: hello
}

func ExampleServer_Connect() {
	feed, err := net.Listen("tcp", "127.0.0.1:0") // another program, which sends lines
	if err != nil {
		log.Fatal(err)
	}
	defer feed.Close()
	go func() {
		if conn, err := feed.Accept(); err == nil {
			fmt.Fprint(conn, "first\nsecond\n")
			conn.Close()
		}
	}()
	server, _ := started(nil)
	defer server.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	socket, err := server.Connect(ctx, feed.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer socket.Close()
	for lines := bufio.NewScanner(socket); lines.Scan(); {
		fmt.Println(lines.Text())
	}
	// Output:
	// first
	// second
}

// A client of net/http whose connections are the library's.
func ExampleServer_DialContext() {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "hello")
	}))
	defer web.Close()
	server, _ := started(nil)
	defer server.Stop()
	client := http.Client{Transport: &http.Transport{DialContext: server.DialContext}}
	defer client.CloseIdleConnections()
	response, err := client.Get(web.URL)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	io.Copy(os.Stdout, response.Body)
	// Output: hello
}

func ExampleWebSocket() {
	server, err := hijack.NewServer(nil)
	if err != nil {
		log.Fatal(err)
	}
	server.Listen(":8080")
	server.Serve(context.Background(), func(r *hijack.Request) {
		ws, err := r.WebSocket("", nil)
		if err != nil {
			return // the library has answered a client whose handshake is wrong
		}
		defer ws.Close(hijack.StatusNormalClosure, "")
		for {
			kind, message, err := ws.Read(context.Background())
			if err == nil {
				err = ws.Write(context.Background(), kind, message)
			}
			if err != nil {
				return // the client has closed, or left
			}
		}
	})
}

func ExampleBroadcaster() {
	server, err := hijack.NewServer(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer server.Stop()
	clients, err := server.NewBroadcaster(nil)
	if err != nil {
		log.Fatal(err)
	}
	server.Hold("/", clients, hijack.HoldSSE, nil)
	addr, err := server.Listen("127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server.Start(nil)
	go func() {
		for clients.Len() == 0 { // until somebody listens
			time.Sleep(time.Millisecond)
		}
		clients.PublishEvent(hijack.Event{Name: "news", Data: "hello"})
	}()
	show(addr.String())
	// Output:
	// event: news
	// data: hello
}

// Connections of net/http are handed over in one line.
func ExampleBroadcaster_Hijack() {
	server, err := hijack.NewServer(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer server.Stop()
	clients, err := server.NewBroadcaster(nil)
	if err != nil {
		log.Fatal(err)
	}
	server.Start(nil) // it needs no address of its own
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := clients.Hijack(w, r, hijack.HoldSSE, nil); errors.Is(err, hijack.ErrNotHijacked) {
			http.Error(w, err.Error(), http.StatusNotImplemented) // over TLS or HTTP/2, for example
		}
	}))
	defer web.Close()
	go func() {
		for clients.Len() == 0 {
			time.Sleep(time.Millisecond)
		}
		clients.PublishString("hello")
	}()
	show(web.Listener.Addr().String())
	// Output: data: hello
}

// A snapshot, and then everything that was published since it was made, once.
func ExampleNewcomer() {
	server, err := hijack.NewServer(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer server.Stop()
	room, err := server.NewBroadcaster(hijack.Options{"history_messages": 1000, "history_position": "today-41"})
	if err != nil {
		log.Fatal(err)
	}
	addr, err := server.Listen("127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server.Start(func(r *hijack.Request) {
		position, err := room.Position() // before the snapshot
		if err != nil {
			return
		}
		first, err := hijack.Event{Name: "snapshot", Data: "the state at " + position}.Bytes()
		if err == nil {
			r.Hold(room, hijack.HoldSSE, nil, hijack.Newcomer{First: first, Position: position})
		}
	})
	show(addr.String())
	// Output:
	// event: snapshot
	// data: the state at today-41
}

func ExampleBroadcaster_OnMembers() {
	server, err := hijack.NewServer(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer server.Stop()
	room, err := server.NewBroadcaster(nil)
	if err != nil {
		log.Fatal(err)
	}
	news := make(chan string, 2)
	room.OnMembers(func(user uint64, joined bool, err error) {
		switch connections := room.Members()[user]; {
		case joined && connections == 1:
			news <- fmt.Sprint(user, " is here")
			room.PublishStringTo(user, "welcome")
			room.CloseUser(user)
		case connections == 0:
			news <- fmt.Sprint(user, " has left")
		}
	})
	server.SetRoute("/", hijack.Options{"user_data": "query:user"}) // or a header, which your proxy sets
	server.Hold("/", room, hijack.HoldSSE, nil)
	addr, err := server.Listen("127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server.Start(nil)
	show(addr.String() + "?user=42")
	fmt.Println(<-news)
	fmt.Println(<-news)
	// Output:
	// data: welcome
	// 42 is here
	// 42 has left
}
