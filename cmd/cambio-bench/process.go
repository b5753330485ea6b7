package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
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

// listening is the start of the log line with the address of a server.
const listening = "msg=listening public="

// startProcess starts a command and returns once it logs its address.
func startProcess(ctx context.Context, path string, args ...string) (*process, error) {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	log, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	addr, err := awaitAddress(bufio.NewScanner(log))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", path, err), cmd.Process.Kill(), cmd.Wait())
	}
	return &process{cmd: cmd, addr: addr}, nil
}

// awaitAddress reads a log up to the line with the address, and the rest in the
// background. It prints what is worth attention: all but the level INFO.
func awaitAddress(log *bufio.Scanner) (string, error) {
	for log.Scan() {
		if _, fields, ok := strings.Cut(log.Text(), listening); ok {
			go printLog(log)
			return strings.Fields(fields)[0], nil
		}
		printLine(log.Text())
	}
	return "", errors.New("it ended before it listened")
}

func printLog(log *bufio.Scanner) {
	for log.Scan() {
		printLine(log.Text())
	}
}

func printLine(line string) {
	if !strings.Contains(line, "level=INFO") {
		fmt.Fprintln(os.Stderr, line)
	}
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
