package serving

import (
	"errors"
	"net"
	"strconv"
	"syscall"
)

// ListenHint returns what to do where an address cannot be listened at, or nothing if
// the error says it all.
func ListenHint(err error, address string) string {
	host, port, _ := net.SplitHostPort(address)
	number, _ := strconv.Atoi(port)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "another process has this port; stop it or set another address, such as CAMBIO_LISTEN=127.0.0.1:9080 CAMBIO_ADMIN_LISTEN=127.0.0.1:9081"
	case errors.Is(err, syscall.EACCES) && number < 1024:
		return "port " + port + " is privileged: only root or a process with CAP_NET_BIND_SERVICE may listen there; grant it (systemd: AmbientCapabilities=CAP_NET_BIND_SERVICE; " +
			"containers: NET_BIND_SERVICE; otherwise: setcap cap_net_bind_service=+ep on the binary), or set a port from 1024 on, such as " + net.JoinHostPort(host, "8443")
	}
	return ""
}
