//go:build !linux

package serving

import "net"

// beginNone does nothing where there is no means of it: the clients that connect when
// the listener is closed are reset.
func beginNone(net.Listener) {}

// pending reports false: whether the kernel has accepted connections is not known.
func pending(net.Listener) bool { return false }
