package serving

import (
	"net"
	"syscall"
	"unsafe"
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
	filter := []syscall.SockFilter{
		*syscall.LsfStmt(syscall.BPF_LD|syscall.BPF_B|syscall.BPF_ABS, flags),
		*syscall.LsfStmt(syscall.BPF_ALU|syscall.BPF_AND|syscall.BPF_K, syn|ack),
		*syscall.LsfJump(syscall.BPF_JMP|syscall.BPF_JEQ|syscall.BPF_K, syn, 0, 1),
		*syscall.LsfStmt(syscall.BPF_RET|syscall.BPF_K, 0),      // drop
		*syscall.LsfStmt(syscall.BPF_RET|syscall.BPF_K, 0xffff), // accept
	}
	_ = raw.Control(func(fd uintptr) { _ = syscall.AttachLsf(int(fd), filter) })
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
		var set syscall.FdSet
		word := 8 * int(unsafe.Sizeof(set.Bits[0]))
		if int(fd) >= word*len(set.Bits) {
			return
		}
		set.Bits[int(fd)/word] |= 1 << (int(fd) % word)
		n, err := syscall.Select(int(fd)+1, &set, nil, nil, &syscall.Timeval{})
		yes = err == nil && n > 0
	})
	return yes
}
