package serving

import (
	"net"
	"net/http"
	"testing"
	"time"
)

// Once no connection is to be begun, those that the kernel has accepted are there, and
// further ones wait.
func TestNoConnectionIsBegun(t *testing.T) {
	bounded, err := New(&http.Server{}, 10, nil).Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer bounded.Close()
	l := bounded.(listener).Listener
	before := dial(t, l.Addr().String())
	beginNone(l)
	if conn, err := net.DialTimeout("tcp", l.Addr().String(), 200*time.Millisecond); err == nil {
		conn.Close()
		t.Error("a connection was begun")
	}
	if !pending(l) {
		t.Error("no connection is pending")
	}
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if conn.RemoteAddr().String() != before.LocalAddr().String() || pending(l) {
		t.Errorf("accepted %s, want %s alone", conn.RemoteAddr(), before.LocalAddr())
	}
}
