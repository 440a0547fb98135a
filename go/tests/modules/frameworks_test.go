package modules

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/gorilla/mux"
	"github.com/labstack/echo/v4"
	echomiddleware "github.com/labstack/echo/v4/middleware"
	"github.com/valyala/fasthttp"

	hijack "github.com/libhijack/libhijack/go"
)

// router is a framework with its usual middlewares; it calls handlers for /sse, /echo and /begun.
type router func(sse, echo, begun http.HandlerFunc) http.Handler

var frameworks = map[string]router{
	"net/http": func(sse, echo, begun http.HandlerFunc) http.Handler {
		m := http.NewServeMux()
		m.HandleFunc("/sse", sse)
		m.HandleFunc("/echo", echo)
		m.HandleFunc("/begun", begun)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Middleware", "yes")
			m.ServeHTTP(w, r)
		})
	},
	"gin": func(sse, echo, begun http.HandlerFunc) http.Handler {
		gin.SetMode(gin.ReleaseMode)
		m := gin.New()
		m.Use(gin.LoggerWithWriter(io.Discard), gin.Recovery(), func(c *gin.Context) {
			c.Header("X-Middleware", "yes")
		})
		m.Any("/sse", func(c *gin.Context) { sse(c.Writer, c.Request) })
		m.Any("/echo", func(c *gin.Context) { echo(c.Writer, c.Request) })
		m.Any("/begun", func(c *gin.Context) { begun(c.Writer, c.Request) })
		return m
	},
	"echo": func(sse, answer, begun http.HandlerFunc) http.Handler {
		m := echo.New()
		m.Use(echomiddleware.LoggerWithConfig(echomiddleware.LoggerConfig{Output: io.Discard}),
			echomiddleware.Recover(), echomiddleware.Gzip(), func(next echo.HandlerFunc) echo.HandlerFunc {
				return func(c echo.Context) error {
					c.Response().Header().Set("X-Middleware", "yes")
					return next(c)
				}
			})
		for path, handler := range map[string]http.HandlerFunc{"/sse": sse, "/echo": answer, "/begun": begun} {
			m.Any(path, func(c echo.Context) error {
				handler(c.Response(), c.Request())
				return nil
			})
		}
		return m
	},
	"chi": func(sse, echo, begun http.HandlerFunc) http.Handler {
		m := chi.NewRouter()
		m.Use(middleware.RequestLogger(&middleware.DefaultLogFormatter{Logger: quiet{}}), middleware.Recoverer,
			middleware.Compress(5), middleware.SetHeader("X-Middleware", "yes"))
		m.HandleFunc("/sse", sse)
		m.HandleFunc("/echo", echo)
		m.HandleFunc("/begun", begun)
		return m
	},
	"gorilla": func(sse, echo, begun http.HandlerFunc) http.Handler {
		m := mux.NewRouter()
		m.Use(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Middleware", "yes")
				next.ServeHTTP(w, r)
			})
		})
		m.HandleFunc("/sse", sse)
		m.HandleFunc("/echo", echo)
		m.HandleFunc("/begun", begun)
		return m
	},
}

type quiet struct{}

func (quiet) Print(...interface{}) {}

// A connection behind each framework's own ResponseWriter becomes a member in one line, and what cannot be taken is
// answered by the program.
func TestFrameworks(t *testing.T) {
	for name, route := range frameworks {
		t.Run(name, func(t *testing.T) {
			server, room := running(t)
			refused := make(chan error, 1)
			web := httptest.NewServer(route(func(w http.ResponseWriter, r *http.Request) {
				if err := room.Hijack(w, r, hijack.HoldSSE, nil); err != nil {
					t.Error(err)
				}
			}, func(w http.ResponseWriter, r *http.Request) {
				if ws, err := server.AdoptWebSocket(w, r, "", nil); err == nil {
					go echoing(ws)
				}
			}, func(w http.ResponseWriter, r *http.Request) {
				io.WriteString(w, "begun")
				w.(http.Flusher).Flush()
				refused <- room.Hijack(w, r, hijack.HoldSSE, nil)
			}))
			defer web.Close()
			addr := web.Listener.Addr().String()

			for _, encoding := range []string{"identity", "gzip"} {
				response, _ := ask(t, addr, "GET /sse HTTP/1.1\r\nHost: me\r\nAccept-Encoding: "+encoding+"\r\n\r\n")
				if response.Header.Get("X-Middleware") != "yes" || response.Header.Get("Content-Encoding") != "" ||
					response.Header.Get("Content-Type") != "text/event-stream" {
					t.Errorf("the header is %v", response.Header)
				}
				until(t, "a member", func() bool { return room.Len() == 1 })
				room.PublishString("hello")
				body := bufio.NewReader(response.Body)
				if line, err := body.ReadString('\n'); line != "data: hello\n" {
					t.Errorf("the event is %q, %v", line, err)
				}
				must(t, room.Close())
				if rest, err := io.ReadAll(body); string(rest) != "\n" || err != nil {
					t.Errorf("after it: %q, %v", rest, err)
				}
			}

			response, rest := ask(t, addr, "HEAD /sse HTTP/1.1\r\nHost: me\r\n\r\n")
			if more, err := io.ReadAll(rest); response.StatusCode != 200 || len(more) > 0 || err != nil {
				t.Errorf("HEAD: %v, then %q, %v", response.Status, more, err)
			}
			echoes(t, "ws://"+addr+"/echo")

			response, _ = ask(t, addr, "GET /begun HTTP/1.1\r\nHost: me\r\n\r\n")
			body, err := io.ReadAll(response.Body)
			if err := <-refused; !errors.Is(err, hijack.ErrNotHijacked) || !errors.Is(err, hijack.ErrState) {
				t.Errorf("after a head: %v", err)
			}
			if string(body) != "begun" {
				t.Errorf("the response that was begun is %q, %v", body, err)
			}
		})
	}
}

// In tests, frameworks are given a recorder, of which gin's and chi's writers believe that it can be hijacked.
func TestFrameworksWithARecorder(t *testing.T) {
	for name, route := range frameworks {
		t.Run(name, func(t *testing.T) {
			_, room := running(t)
			answer := func(w http.ResponseWriter, r *http.Request) {
				if err := room.Hijack(w, r, hijack.HoldSSE, nil); errors.Is(err, hijack.ErrNotHijacked) {
					http.Error(w, err.Error(), http.StatusNotImplemented)
				}
			}
			recorder := httptest.NewRecorder()
			route(answer, answer, answer).ServeHTTP(recorder, httptest.NewRequest("GET", "/sse", nil))
			if recorder.Code != http.StatusNotImplemented {
				t.Errorf("the response is %d %q", recorder.Code, recorder.Body)
			}
		})
	}
}

// fasthttp shows the connection inside by UnsafeConn.
func TestFastHTTP(t *testing.T) {
	_, room := running(t)
	addr := listening(t, (&fasthttp.Server{Handler: func(c *fasthttp.RequestCtx) {
		c.HijackSetNoResponse(true)
		c.Hijack(func(conn net.Conn) {
			if err := room.Adopt(conn, hijack.HoldSSE, nil); err != nil {
				t.Error(err)
			}
		})
	}}).Serve)
	for i := 1; i <= 3; i++ {
		response, _ := ask(t, addr, "GET / HTTP/1.1\r\nHost: me\r\n\r\n")
		until(t, "a member", func() bool { return room.Len() == i })
		room.PublishString(fmt.Sprint(i))
		if line, err := bufio.NewReader(response.Body).ReadString('\n'); line != fmt.Sprintf("data: %d\n", i) {
			t.Errorf("the event is %q, %v", line, err)
		}
	}
}
