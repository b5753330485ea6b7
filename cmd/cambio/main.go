// Command cambio is a token-exchange server: a browser app without a backend
// brings the ID token of a login it already has, and gets a scoped session for
// its API. `cambio help` says what it can do.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c := &cli{in: os.Stdin, out: os.Stdout, err: os.Stderr, environ: os.Environ()}
	code := c.main(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}
