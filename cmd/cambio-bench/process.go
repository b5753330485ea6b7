package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"cambio/exchange"
	"cambio/exchange/assembly"
	"cambio/exchange/users"
	"cambio/jwks/jwkstest"
	"cambio/keys"
	"cambio/storage"
	"cambio/storage/bolt"
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

// writeConfig writes a configuration and a manifest: the issuer that signs,
// issuers-1 others, and one client with sessions and one without.
func writeConfig(dir, issuerURL string, issuers int) (string, error) {
	var trust bytes.Buffer
	fmt.Fprintln(&trust, "issuers:")
	for n := range issuers {
		id, url := "bench", issuerURL
		if n > 0 {
			id, url = fmt.Sprintf("other-%d", n), fmt.Sprintf("%s/%d", issuerURL, n)
		}
		fmt.Fprintf(&trust, "  - {id: %s, url: %q, audiences: [%s], scopes: [read], keys: {jwksURL: %q, allowPrivateAddresses: true}}\n",
			id, url, benchAudience, issuerURL+jwkstest.JWKSPath)
	}
	fmt.Fprint(&trust, `clients:
  - {id: stateless, issuers: [bench], scopes: [read], audiences: ["https://api"]}
  - {id: sessions, issuers: [bench], scopes: [read], audiences: ["https://api"], refreshTokens: true}
`)
	config := fmt.Sprintf("listen: 127.0.0.1:0\nadminListen: 127.0.0.1:0\ndatabase: %s\ntrust: %s\naudit: {file: %s}\n",
		filepath.Join(dir, "cambio.db"), filepath.Join(dir, "trust.yaml"), filepath.Join(dir, "audit.log"))
	if err := os.WriteFile(filepath.Join(dir, "trust.yaml"), trust.Bytes(), 0o600); err != nil {
		return "", err
	}
	file := filepath.Join(dir, "cambio.yaml")
	return file, os.WriteFile(file, []byte(config), 0o600)
}

// seed creates users in a new store, as first exchanges of tokens would.
func seed(ctx context.Context, dir string, n int) error {
	if n == 0 {
		return nil
	}
	kek, err := keys.CreateKEK(filepath.Join(dir, "cambio.kek"))
	if err != nil {
		return err
	}
	engine, err := bolt.Open(filepath.Join(dir, "cambio.db"), bolt.Options{NoSync: true})
	if err != nil {
		return err
	}
	defer engine.Close()
	parts, err := assembly.New(ctx, assembly.Config{Engine: engine, Keys: keys.Config{KEK: kek}, Issuer: "http://127.0.0.1"})
	if err != nil {
		return err
	}
	defer parts.Close()
	return addUsers(ctx, engine, parts.Users, n)
}

// addUsers commits a thousand users at a time.
func addUsers(ctx context.Context, engine storage.Engine, store *users.Store, n int) error {
	var batch []storage.Write
	for i := range n {
		s := &exchange.Subject{Issuer: "bench", ID: fmt.Sprintf("seeded-%d", i), Email: fmt.Sprintf("%d@example.com", i)}
		_, _, writes, err := store.Resolve(ctx, s, true, time.Now())
		if err != nil {
			return err
		}
		if batch = append(batch, writes...); i%1000 == 999 || i == n-1 {
			if err := engine.Commit(ctx, batch...); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	return nil
}
