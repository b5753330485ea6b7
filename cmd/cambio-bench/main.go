// Cambio-bench loads the built server over loopback with pre-signed RS256 tokens
// and prints what an exchange costs beside hand-written servers, the yardsticks,
// that do the same cryptography, measured in the same run:
//
//	go run ./cmd/cambio-bench
//	go run ./cmd/cambio-bench -issuers 10000 -users 1000000
//
// With more than one issuer, or users beside those of the tokens, a second server
// without them is measured in alternation, for the ratio between the two.
//
// Servers and load generator share the machine, so only the ratios carry over to
// another one.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	tokens      int
	concurrency []int
	duration    time.Duration
	rounds      int
	issuers     int
	users       int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "cambio-bench: error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 4 && args[0] == "yardstick" {
		return serveYardstick(ctx, args[1], args[2], args[3])
	}
	opts, err := parse(args)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "cambio-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b, err := prepare(ctx, dir, opts, out)
	if err != nil {
		return err
	}
	return b.measure(ctx, out)
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("cambio-bench", flag.ContinueOnError)
	flags.IntVar(&o.tokens, "tokens", 1000, "pre-signed subject tokens, each of its own user")
	levels := flags.String("c", "1,32,256", "concurrency levels")
	flags.DurationVar(&o.duration, "d", time.Second, "how long each server is loaded at each level, in each round")
	flags.IntVar(&o.rounds, "rounds", 9, "times that all servers are started and measured; medians are printed")
	flags.IntVar(&o.issuers, "issuers", 1, "registered issuers")
	flags.IntVar(&o.users, "users", 0, "users that exist beside those of the tokens")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	for _, level := range strings.Split(*levels, ",") {
		n, err := strconv.Atoi(level)
		if err != nil || n < 1 {
			return o, fmt.Errorf("-c %s: %q is not a number of connections", *levels, level)
		}
		o.concurrency = append(o.concurrency, n)
	}
	if o.tokens < 1 || o.rounds < 1 || o.issuers < 1 || o.users < 0 || o.duration <= 0 {
		return o, fmt.Errorf("flags must be positive")
	}
	return o, nil
}
