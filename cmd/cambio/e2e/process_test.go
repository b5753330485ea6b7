package e2e

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// process is a program that runs beside the test, with what it wrote.
type process struct {
	cmd     *exec.Cmd
	printed *output       // standard output
	out     *output       // standard error
	done    chan struct{} // closed when it ended
	err     error         // what Wait said, once done
}

// output collects what a process writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// run starts a program in dir, with env added to the environment of the test
// less the settings of a Cambio that runs on this machine.
func run(t *testing.T, dir string, env []string, name string, args ...string) *process {
	t.Helper()
	return runTo(t, nil, dir, env, name, args...)
}

// runTo is run with a standard output of the test's choice.
func runTo(t *testing.T, stdout *os.File, dir string, env []string, name string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(name, args...), printed: &output{}, out: &output{}, done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Env = dir, append(environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.printed, p.out
	if stdout != nil {
		p.cmd.Stdout = stdout
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("%s %s wrote:\n%s%s", name, strings.Join(args, " "), tail(p.printed.String()), tail(p.out.String()))
		}
	})
	return p
}

func environ() []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "CAMBIO_") {
			env = append(env, e)
		}
	}
	return env
}

func tail(s string) string { return s[max(0, len(s)-16<<10):] }

// wait waits for the end of the process, for at most a minute.
func (p *process) wait(t *testing.T) error {
	t.Helper()
	select {
	case <-p.done:
		return p.err
	case <-time.After(time.Minute):
		t.Fatal("the process does not end")
		return nil
	}
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// stop sends SIGTERM, as systemd does, and requires the process to exit with 0.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	if err := p.wait(t); err != nil {
		t.Errorf("stopped by SIGTERM it ended with: %v", err)
	}
}

// kill ends the process as a power cut would.
func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.wait(t)
}

// await polls until the condition holds, and fails the test after 40 s.
func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(40 * time.Second); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("timed out waiting for %s", what)
		}
	}
}

// nextPort continues the search for free ports, so that no two tests get the same. It stays below the ports that systems give to outgoing
// connections, which could take one while a server restarts.
var nextPort atomic.Int64

// freePorts returns the first of n free ports in a row.
func freePorts(t *testing.T, n int) int {
	t.Helper()
	const lowest, highest = 10_000, 32_000
	nextPort.CompareAndSwap(0, int64(rand.IntN(highest-lowest))) // other processes run tests too
	for range 1000 {
		first := lowest + int(nextPort.Add(int64(n)))%(highest-lowest)
		if free(first, n) && claim(t, first, n) {
			return first
		}
	}
	t.Fatalf("found no %d free ports in a row", n)
	return 0
}

// port returns freePorts as a program's argument.
func port(t *testing.T, n int) string { return strconv.Itoa(freePorts(t, n)) }

// claim keeps other processes that look for ports by freePorts away from n of
// them until the test ends: between looking and listening, one could take them.
// It holds the unused UDP ports of the same numbers.
func claim(t *testing.T, first, n int) bool {
	for i := range n {
		c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: first + i})
		if err != nil {
			return false
		}
		t.Cleanup(func() { c.Close() })
	}
	return true
}

func free(first, n int) bool {
	for i := range n {
		l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: first + i})
		if err != nil {
			return false
		}
		defer l.Close()
	}
	return true
}
