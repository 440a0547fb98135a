// Package demo is what the demos share: arguments, signals, the page. Only Listen is special to libhijack.
package demo

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"

	hijack "github.com/libhijack/libhijack/go"
)

// Check ends the program with a sentence when there is an error.
func Check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Address is 127.0.0.1 with the port from the first argument, else the variable PORT, else 9292. 0 means any free one.
func Address() string {
	if len(os.Args) > 1 {
		return fmt.Sprintf("127.0.0.1:%d", wholeNumber("port", os.Args[1], 0, 65535))
	}
	return fmt.Sprintf("127.0.0.1:%d", Env("PORT", 9292, 0, 65535))
}

// Listen listens on Address and gives the URL. The variables TLS_CERT and TLS_KEY, the paths of a certificate and its
// key, make it speak https.
func Listen(server *hijack.Server) (string, error) {
	certFile, keyFile := os.Getenv("TLS_CERT"), os.Getenv("TLS_KEY")
	if certFile == "" && keyFile == "" {
		addr, err := server.Listen(Address())
		return fmt.Sprintf("http://%v/", addr), err
	}
	for name, file := range map[string]string{"TLS_CERT": certFile, "TLS_KEY": keyFile} {
		if file == "" {
			return "", fmt.Errorf("%s: not set; https needs both TLS_CERT and TLS_KEY", name)
		}
	}
	addr, err := server.ListenTLS(Address(), certFile, keyFile)
	return fmt.Sprintf("https://%v/", addr), err
}

// Env is a whole number from the environment, or fallback.
func Env(name string, fallback, min, max int) int {
	if text := os.Getenv(name); text != "" {
		return wholeNumber(name, text, min, max)
	}
	return fallback
}

func wholeNumber(name, text string, min, max int) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < min || n > max {
		Check(fmt.Errorf("%s: %q is not a whole number from %d to %d", name, text, min, max))
	}
	return n
}

// Context ends with SIGINT or SIGTERM. The limit of descriptors needs no raising: Go has done that.
func Context() context.Context {
	signal.Ignore(syscall.SIGPIPE)
	ctx, _ := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	return ctx
}

// Page is a page that the demos of all languages show, from the folder HIJACK_PAGES or the checkout's.
func Page(name string) []byte {
	folder := os.Getenv("HIJACK_PAGES")
	if folder == "" {
		_, source, _, _ := runtime.Caller(0)
		folder = filepath.Join(filepath.Dir(source), "../../../../bindings/pages")
	}
	page, err := os.ReadFile(filepath.Join(folder, name))
	Check(err)
	return page
}
