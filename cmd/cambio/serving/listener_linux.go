package serving

import (
	"net"

	"golang.org/x/sys/unix"
)

// beginNone makes the kernel drop the first packet (SYN) of further connections to a
// TCP listener, whose clients try again within a second and are refused once the
// listener is closed. Closing it at once would reset those that were connecting. Where
// it fails, some may be reset.
func beginNone(l net.Listener) {
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	const flags, syn, ack = 13, 0x02, 0x10 // offset in the TCP header, and bits (RFC 9293 §3.1)
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: flags},
		{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: syn | ack},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: syn, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},      // drop
		{Code: unix.BPF_RET | unix.BPF_K, K: 0xffff}, // accept
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &program)
	})
}

// pending reports whether the kernel has accepted a connection that the listener has
// not.
func pending(l net.Listener) (yes bool) {
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		return false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return false
	}
	_ = raw.Control(func(fd uintptr) {
		queue := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(queue, 0)
		yes = err == nil && n > 0
	})
	return yes
}
