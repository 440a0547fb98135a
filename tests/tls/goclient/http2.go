// SPDX-License-Identifier: MIT

package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

func ask(client *http.Client, method, url string, body []byte) string {
	request, err := http.NewRequest(method, url, bytes.NewReader(body))
	check(err)
	response, err := client.Do(request)
	check(err)
	defer response.Body.Close()
	if response.ProtoMajor != 2 {
		check(fmt.Errorf("%s is answered by %s", url, response.Proto))
	}
	data, err := io.ReadAll(response.Body)
	check(err)
	return string(data)
}

// overHTTP2 is net/http's client: everything goes over one connection, also while events come.
func overHTTP2(url string, config *tls.Config) map[string]any {
	config.ServerName = "localhost"
	client := &http.Client{Timeout: 20 * time.Second,
		Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}}
	seen := map[string]any{"get": ask(client, "GET", url+"/", nil)}
	events, err := client.Get(url + "/sse")
	check(err)
	lines, beeps := bufio.NewScanner(events.Body), 0
	for beeps < 3 && lines.Scan() {
		if lines.Text() == "data: beep" {
			beeps++
		}
	}
	seen["beeps"] = beeps
	seen["upload"] = ask(client, "POST", url+"/upload", bytes.Repeat([]byte("0123456789"), 100000))
	var group sync.WaitGroup
	var lock sync.Mutex
	sizes := map[int]int{}
	for i := 0; i < 20; i++ {
		group.Add(1)
		go func() {
			size := len(ask(client, "GET", url+"/big", nil))
			lock.Lock()
			sizes[size]++
			lock.Unlock()
			group.Done()
		}()
	}
	group.Wait()
	seen["big"] = sizes
	for beeps < 6 && lines.Scan() {
		if lines.Text() == "data: beep" {
			beeps++
		}
	}
	seen["more beeps"] = beeps
	events.Body.Close()
	return seen
}
