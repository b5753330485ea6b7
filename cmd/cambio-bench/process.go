package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a server in a process of its own, so that its CPU time is separate from
// the load generator's.
type process struct {
	cmd  *exec.Cmd
	addr string
}

// startProcess starts a command that prints a line with prefix and its address once
// it listens.
func startProcess(ctx context.Context, prefix, path string, args ...string) (*process, error) {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	addr, err := awaitAddress(out, prefix)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", path, err), cmd.Process.Kill(), cmd.Wait())
	}
	return &process{cmd: cmd, addr: addr}, nil
}

// awaitAddress reads up to the line with the address and discards the rest in the
// background.
func awaitAddress(out io.Reader, prefix string) (string, error) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if addr, ok := strings.CutPrefix(lines.Text(), prefix); ok {
			go io.Copy(io.Discard, out)
			return strings.TrimSpace(addr), nil
		}
	}
	return "", errors.Join(errors.New("it ended before it listened"), lines.Err())
}

// stop terminates the process and waits for it.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return p.cmd.Wait()
}

// cpu returns the user and system time that the process has used, in the kernel's
// ticks of 10 ms.
func (p *process) cpu() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(stat), ") ") // the name may hold spaces
	fields := strings.Fields(after)
	if len(fields) < 13 {
		return 0, fmt.Errorf("stat of process %d is too short", p.cmd.Process.Pid)
	}
	const utime, stime, tick = 11, 12, 10 * time.Millisecond
	user, err := strconv.Atoi(fields[utime])
	if err != nil {
		return 0, err
	}
	system, err := strconv.Atoi(fields[stime])
	return time.Duration(user+system) * tick, err
}
