package server_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"

	"cambio/exchange/server"
)

// slowSender begins a request that announces a body of 64 KiB, and returns once the
// server waits for it.
func (p *world) slowSender() net.Conn {
	p.Helper()
	conn := must(net.Dial("tcp", strings.TrimPrefix(p.url, "http://")))
	p.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: 65536\r\nExpect: 100-continue\r\n\r\n", formMedia)
	const want = "HTTP/1.1 100 Continue\r\n\r\n"
	if got := make([]byte, len(want)); must(io.ReadFull(conn, got)) == 0 || string(got) != want {
		p.Fatalf("got %q", got)
	}
	return conn
}

func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}

// A length that is only announced takes no memory.
func TestBuffersGrowWithWhatArrives(t *testing.T) {
	const senders = 300
	p := newWorld(t)
	before := heap()
	for range senders {
		p.slowSender()
	}
	if each := (heap() - before) / senders; each > 40<<10 { // both ends of the connection
		t.Errorf("a sender of nothing takes %d bytes", each)
	}
	if n := p.gauge("cambio_request_memory_bytes"); n != senders*16<<10 {
		t.Errorf("%v bytes are counted", n)
	}
}

// The oldest requests whose body does not arrive make room for later ones, which
// are served.
func TestSlowBodiesMakeRoom(t *testing.T) {
	p := newWorld(t, func(cfg *server.Config) { cfg.MaxRequestMemory = 4 * 16 << 10 })
	var slow []net.Conn
	for range 10 {
		slow = append(slow, p.slowSender())
	}
	for i, conn := range slow[:6] {
		res := must(http.ReadResponse(bufio.NewReader(conn), nil))
		if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
			t.Errorf("sender %d: %s, %v", i, res.Status, res.Header)
		}
	}
	p.want(p.form("/oauth/token", exchangeParams(p.idToken(), "client_id", "web")), 200, "")
	fmt.Fprint(slow[9], strings.Repeat("x", 65536)) // whose buffer takes the room of the others
	if res := must(http.ReadResponse(bufio.NewReader(slow[9]), nil)); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a body beyond the bound: %s", res.Status)
	}
	for range 20 {
		p.want(p.form("/oauth/token", exchangeParams(p.idToken(), "client_id", "web")), 200, "")
	}
	if n := p.gauge("cambio_request_memory_bytes"); n != 0 {
		t.Errorf("%v bytes are counted at the end", n)
	}
}

// The streams of one HTTP/2 connection are bounded too.
func TestSlowStreamsMakeRoom(t *testing.T) {
	p := newWorld(t, func(cfg *server.Config) { cfg.MaxRequestMemory = 4 * 16 << 10 })
	h := httptest.NewUnstartedServer(nil)
	h.Config = server.HTTPServer(p.server)
	h.EnableHTTP2 = true
	h.StartTLS()
	t.Cleanup(h.Close)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
	statuses := make(chan int, 10)
	var bodies []io.Closer
	var all sync.WaitGroup
	for range 10 {
		body, w := io.Pipe()
		bodies = append(bodies, w)
		r := must(http.NewRequest("POST", h.URL+"/oauth/token", body))
		r.ContentLength = 65536
		r.Header.Set("Content-Type", formMedia)
		all.Go(func() {
			res, err := client.Do(r)
			if err != nil {
				statuses <- 0
				return
			}
			res.Body.Close()
			if res.ProtoMajor != 2 {
				t.Errorf("got %s", res.Proto)
			}
			statuses <- res.StatusCode
		})
	}
	for range 6 {
		if status := <-statuses; status != http.StatusServiceUnavailable {
			t.Errorf("a slow stream: %d", status)
		}
	}
	r := must(http.NewRequest("POST", h.URL+"/auth/external/exchange", strings.NewReader(`{"token":"`+p.idToken()+`"}`)))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-API-Key", "web")
	res := must(client.Do(r))
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("another stream: %s", res.Status)
	}
	for _, body := range bodies {
		body.Close()
	}
	all.Wait()
}
