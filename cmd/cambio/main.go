// Command cambio is a token-exchange server: a browser app without a backend
// brings the ID token of a login it already has, and gets a scoped session for
// its API. `cambio help` says what it can do.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"
)

// gcPercent lets the heap grow to nine times what is live before it is
// collected. Little is live, a few MiB, and each request leaves 20 KiB behind:
// at Go's default of 100 a busy server collects dozens of times a second.
const gcPercent = 800

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the program at once, but for the one that timeout(1)
	// and others send to the process and, right after it, to its group.
	context.AfterFunc(ctx, func() { time.AfterFunc(time.Second, stop) })
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	c := &cli{in: os.Stdin, out: os.Stdout, err: os.Stderr, environ: os.Environ()}
	code := c.main(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}
