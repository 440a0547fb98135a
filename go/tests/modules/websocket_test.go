package modules

import (
	"context"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	hijack "github.com/libhijack/libhijack/go"
)

func echoing(ws *hijack.WebSocket) {
	defer ws.Close(hijack.StatusNormalClosure, "")
	for {
		kind, message, err := ws.Read(context.Background())
		if err == nil {
			err = ws.Write(context.Background(), kind, message)
		}
		if err != nil {
			return
		}
	}
}

// echoes tries it with gorilla's client.
func echoes(t *testing.T, url string) {
	t.Helper()
	client, response, err := websocket.DefaultDialer.Dial(url, nil)
	must(t, err)
	defer client.Close()
	if response.Header.Get("X-Middleware") != "yes" {
		t.Errorf("the header of the handshake is %v", response.Header)
	}
	for _, text := range []string{"", "hello", strings.Repeat("x", 200000)} {
		must(t, client.WriteMessage(websocket.TextMessage, []byte(text)))
		kind, back, err := client.ReadMessage()
		if kind != websocket.TextMessage || string(back) != text || err != nil {
			t.Errorf("%d bytes of type %d, %v", len(back), kind, err)
		}
	}
	closing := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "bye")
	must(t, client.WriteMessage(websocket.CloseMessage, closing))
	if _, _, err := client.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		t.Errorf("the end is %v", err)
	}
}
