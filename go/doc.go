// Package hijack holds very many live HTTP connections in one process: Server-Sent Events, WebSockets, streamed
// responses, raw hijacked sockets. libhijack does the work, on its own threads; a held connection costs no goroutine
// and no memory of Go.
//
//	server, err := hijack.NewServer(nil)
//	clients, err := server.NewBroadcaster(nil)
//	err = server.Hold("/sse", clients, hijack.HoldSSE, nil)
//	addr, err := server.Listen("127.0.0.1:8080")
//	err = server.Start(nil)
//	n, err := clients.Publish([]byte("hello"))
//
// A Server accepts. Each Request goes to a Handler on a goroutine of its own; it is answered, or becomes a Stream (a
// response body in pieces), a WebSocket, a Socket (the connection itself, a net.Conn) or a member of a Broadcaster,
// which sends one message to any number of connections. Connections that net/http has accepted are handed over in one
// line: Broadcaster.Hijack, Server.AdoptWebSocket.
//
// Writing has back-pressure and deadlines, as with package net. Errors are an OpError around an Error, made for
// errors.Is. Everything may be called from any goroutine.
//
// A Server that was started runs until it is stopped, also if nobody refers to it. Call Close on a Stream, Socket or
// WebSocket, as on every connection in Go. If a program forgets one, its peer sees a broken connection once the garbage
// collector has found it (Go 1.24 or later), unless it is a member of a Broadcaster: then it stays one, without an
// object. One whose Context or Done was asked for is kept until its end.
//
// The package links libhijack through pkg-config; with the build tag hijack_static, the static library.
package hijack
