package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"text/tabwriter"
	"time"
)

// target is a server under load with the requests that it gets.
type target struct {
	name     string
	process  *process
	addr     string
	requests [][]byte
}

// bench is everything that a measurement needs.
type bench struct {
	options
	dir, binary   string
	key           string   // the issuer's public key, in a file
	signed        []string // the tokens
	installations []*installation
	ratios        []ratio
	// Of a round, while it lasts:
	targets   []target
	processes []*process
}

// ratio compares two targets by name.
type ratio struct {
	of, to string
	goal   float64
}

// figures are the medians over the rounds of one target at one level.
type figures struct {
	perSecond float64
	p50, p99  time.Duration
	errors    int
	cpu       time.Duration // of the server, per request
}

// names are the targets' in the order of the table.
var names = []string{yardBare, yardCrypto, yardWritten, noWrite, withSession, smallNoWrite, smallWithSession}

// measured is the figures of a round by level and target.
type measured map[int]map[string]figures

// measure prints medians over the rounds, and of the ratios in each.
func (b *bench) measure(ctx context.Context, out io.Writer) error {
	var rounds []measured
	for range b.rounds {
		m, err := b.round(ctx)
		if err != nil {
			return err
		}
		rounds = append(rounds, m)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "concurrency\tserver\treq/s\tp50\tp99\terrors\tcpu/req\t")
	var lines []string
	for _, level := range b.concurrency {
		at := make([]map[string]figures, len(rounds))
		for i := range rounds {
			at[i] = rounds[i][level]
		}
		printLevel(table, level, at)
		lines = append(lines, b.compare(level, at)...)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, line := range lines {
		fmt.Fprintln(out, line)
	}
	return nil
}

// round starts all servers anew, because where the memory of a process happens
// to lie moves its figures by a twentieth for as long as it lives. Stores keep
// what earlier rounds wrote.
func (b *bench) round(ctx context.Context) (m measured, err error) {
	defer func() { err = errors.Join(err, b.stop()) }()
	if err := b.start(ctx); err != nil {
		return nil, err
	}
	m = measured{}
	for _, level := range b.concurrency {
		if m[level], err = b.level(level); err != nil {
			return nil, fmt.Errorf("at %d: %w", level, err)
		}
	}
	return m, nil
}

// slice is how long one target runs at a time.
const slice = 200 * time.Millisecond

// level runs the targets by turns, in slices that are short beside the moods of
// a shared machine, so that each of them meets all targets. The order is drawn
// anew each time, so that none always follows the one that leaves the disk busy.
func (b *bench) level(connections int) (map[string]figures, error) {
	runs, err := b.connect(connections)
	defer func() {
		for _, r := range runs {
			r.load.close()
		}
	}()
	if err != nil {
		return nil, err
	}
	for done := time.Duration(0); done < b.duration; done += slice {
		for _, i := range rand.Perm(len(runs)) {
			if err := runs[i].run(min(slice, b.duration-done)); err != nil {
				return nil, err
			}
		}
	}
	out := map[string]figures{}
	for _, r := range runs {
		if out[r.name], err = r.figures(); err != nil {
			return nil, fmt.Errorf("%s: %w", r.name, err)
		}
	}
	return out, nil
}

// turn is a target while it is measured.
type turn struct {
	target
	load *load
	cpu  time.Duration // of the server, while the load ran
}

func (b *bench) connect(connections int) ([]*turn, error) {
	var out []*turn
	for _, t := range b.targets {
		l, err := connect(t.addr, t.requests, connections)
		if err != nil {
			return out, fmt.Errorf("%s: %w", t.name, err)
		}
		out = append(out, &turn{target: t, load: l})
	}
	return out, nil
}

func (t *turn) run(d time.Duration) error {
	before, err := t.process.cpu()
	if err != nil {
		return err
	}
	if err := t.load.run(d); err != nil {
		return fmt.Errorf("%s: %w", t.name, err)
	}
	after, err := t.process.cpu()
	t.cpu += after - before
	return err
}

func (t *turn) figures() (figures, error) {
	r, err := t.load.result()
	if err != nil {
		return figures{}, err
	}
	return figures{r.perSecond(), r.p50, r.p99, r.errors, t.cpu / time.Duration(r.requests)}, nil
}

// warm lets every token meet every server.
func (b *bench) warm() error {
	for _, t := range b.targets {
		if err := t.warm(); err != nil {
			return fmt.Errorf("warming %s: %w", t.name, err)
		}
	}
	return nil
}

func (t target) warm() error {
	l, err := connect(t.addr, t.requests, 32)
	if err != nil {
		return err
	}
	defer l.close()
	for l.next.Load() < int64(len(t.requests)) {
		if err := l.run(slice); err != nil {
			return err
		}
	}
	r, err := l.result()
	if err == nil && r.errors > 0 {
		err = fmt.Errorf("%d of %d requests were refused", r.errors, r.requests)
	}
	return err
}

func printLevel(out io.Writer, level int, rounds []map[string]figures) {
	for _, name := range names {
		if _, ok := rounds[0][name]; !ok {
			continue
		}
		f := medians(rounds, name)
		fmt.Fprintf(out, "%d\t%s\t%.0f\t%v\t%v\t%d\t%v\t\n", level, name, f.perSecond,
			f.p50.Round(time.Microsecond), f.p99.Round(10*time.Microsecond), f.errors, f.cpu.Round(time.Microsecond))
	}
}

func medians(rounds []map[string]figures, name string) figures {
	var f figures
	f.perSecond = median(rounds, func(r map[string]figures) float64 { return r[name].perSecond })
	f.p50 = median(rounds, func(r map[string]figures) time.Duration { return r[name].p50 })
	f.p99 = median(rounds, func(r map[string]figures) time.Duration { return r[name].p99 })
	f.cpu = median(rounds, func(r map[string]figures) time.Duration { return r[name].cpu })
	for _, r := range rounds {
		f.errors += r[name].errors
	}
	return f
}

func (b *bench) compare(level int, rounds []map[string]figures) []string {
	var lines []string
	for _, r := range b.ratios {
		of := func(m map[string]figures) float64 { return m[r.of].perSecond / m[r.to].perSecond }
		lines = append(lines, fmt.Sprintf("at %d: %s / %s = %.2f (goal %.1f)", level, r.of, r.to, median(rounds, of), r.goal))
	}
	return lines
}

// median is the middle of what pick sees in each round.
func median[T float64 | time.Duration](rounds []map[string]figures, pick func(map[string]figures) T) T {
	all := make([]T, len(rounds))
	for i, r := range rounds {
		all[i] = pick(r)
	}
	slices.Sort(all)
	return all[len(all)/2]
}
