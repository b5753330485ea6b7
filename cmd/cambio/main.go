// Command cambio is a token-exchange server: a browser app without a backend
// presents the ID token of a login it already has, and gets a scoped session for
// its API. `cambio help` lists its commands.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"
)

// gcPercent lets the heap grow to nine times the live data before a collection.
// The live data is a few MiB, and each request leaves 20 KiB of garbage: at Go's
// default of 100 a busy server collects dozens of times a second.
const gcPercent = 800

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the program at once. Within the first second it is
	// ignored: timeout(1) and others signal the process and then its group.
	context.AfterFunc(ctx, func() { time.AfterFunc(time.Second, stop) })
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	c := &cli{in: os.Stdin, out: os.Stdout, err: os.Stderr, environ: os.Environ()}
	code := c.main(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}
