// Echoes WebSocket messages by what Go's programs use today: what bindings/bench/echo.py compares this package with.
// A module of its own, so that the package itself needs the standard library alone.
//
//	peers coder | gorilla
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"

	"github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
)

func main() {
	handlers := map[string]http.HandlerFunc{"coder": echoCoder, "gorilla": echoGorilla}
	var handler http.HandlerFunc
	if len(os.Args) == 2 {
		handler = handlers[os.Args[1]]
	}
	if handler == nil {
		fmt.Fprintln(os.Stderr, "usage: peers coder | gorilla")
		os.Exit(2)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil {
		fmt.Printf("http://%v/\n", listener.Addr())
		err = http.Serve(listener, handler)
	}
	fmt.Fprintln(os.Stderr, "peers:", err)
	os.Exit(1)
}

func echoCoder(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	for {
		kind, message, err := conn.Read(r.Context())
		if err != nil {
			return
		}
		if err = conn.Write(r.Context(), kind, message); err != nil {
			return
		}
	}
}

var upgrader gorilla.Upgrader

func echoGorilla(w http.ResponseWriter, r *http.Request) {
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	for {
		kind, message, err := conn.ReadMessage()
		if err != nil {
			return
		}
		if err = conn.WriteMessage(kind, message); err != nil {
			return
		}
	}
}
