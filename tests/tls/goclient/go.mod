module hijack/tests/tls/goclient

go 1.19
