package serving

import (
	"net"
	"syscall"
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
