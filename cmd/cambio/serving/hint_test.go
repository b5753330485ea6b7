package serving

import (
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
)

// An address that cannot be listened at is told apart: one in use, and a port that
// needs a privilege.
func TestListenHintNamesTheCause(t *testing.T) {
	for _, row := range []struct {
		name, address string
		cause         error
		want          string
	}{
		{"in use", "127.0.0.1:443", syscall.EADDRINUSE, "another process has this port"},
		{"privileged", "0.0.0.0:443", syscall.EACCES, "port 443 is privileged: only root or a process with CAP_NET_BIND_SERVICE"},
		{"forbidden by something else", "0.0.0.0:8443", syscall.EACCES, ""},
		{"of another machine", "192.0.2.1:443", syscall.EADDRNOTAVAIL, ""},
	} {
		err := &net.OpError{Op: "listen", Net: "tcp", Err: os.NewSyscallError("bind", row.cause)}
		if got := ListenHint(err, row.address); !strings.HasPrefix(got, row.want) || (got == "") != (row.want == "") {
			t.Errorf("%s: %q", row.name, got)
		}
	}
}
