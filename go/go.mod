module github.com/libhijack/libhijack/go

go 1.19
