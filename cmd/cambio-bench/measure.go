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

// target is a server and the requests for it.
type target struct {
	name     string
	process  *process
	requests [][]byte
}

// bench holds what a measurement needs.
type bench struct {
	options
	dir, binary   string
	key           string   // the issuer's public key: PKIX in base64
	signed        []string // the tokens
	installations []*installation
	ratios        []ratio
	// Of the current round:
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
	errors    int           // responses other than 200
	cpu       time.Duration // of the server, per request
}

// names are the names of the targets in the order of the table.
var names = []string{yardBare, yardCrypto, yardWritten, noWrite, withSession, smallNoWrite, smallWithSession}

// measured holds the figures of a round: level → target → figures.
type measured map[int]map[string]figures

// measure prints the medians over the rounds, of the figures and of the ratios.
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

// round restarts all servers, because the memory layout of a process changes its
// figures by up to 5 % for as long as the process runs. Stores keep what earlier
// rounds wrote.
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

// level alternates between the targets in slices that are short beside the load
// changes of a shared machine, so that these affect all targets alike. The order is
// random, so that no target always follows the one that leaves the disk busy.
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
			if err := runs[i].drive(min(slice, b.duration-done)); err != nil {
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

// measurement is a target with its load and the CPU time used.
type measurement struct {
	target
	load *load
	cpu  time.Duration // of the server, while the load ran
}

func (b *bench) connect(connections int) ([]*measurement, error) {
	var out []*measurement
	for _, t := range b.targets {
		l, err := connect(t.process.addr, t.requests, connections)
		if err != nil {
			return out, fmt.Errorf("%s: %w", t.name, err)
		}
		out = append(out, &measurement{target: t, load: l})
	}
	return out, nil
}

func (m *measurement) drive(d time.Duration) error {
	before, err := m.process.cpu()
	if err != nil {
		return err
	}
	if err := m.load.run(d); err != nil {
		return fmt.Errorf("%s: %w", m.name, err)
	}
	after, err := m.process.cpu()
	m.cpu += after - before
	return err
}

func (m *measurement) figures() (figures, error) {
	f, responses, err := m.load.figures()
	if err == nil {
		f.cpu = m.cpu / time.Duration(responses)
	}
	return f, err
}

// warm sends every token to the server.
func (t target) warm() error {
	l, err := connect(t.process.addr, t.requests, 32)
	if err != nil {
		return err
	}
	defer l.close()
	for l.next.Load() < int64(len(t.requests)) {
		if err := l.run(slice); err != nil {
			return err
		}
	}
	f, responses, err := l.figures()
	if err == nil && f.errors > 0 {
		err = fmt.Errorf("%d of %d requests were refused", f.errors, responses)
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

// median returns the median of what pick returns for each round.
func median[T float64 | time.Duration](rounds []map[string]figures, pick func(map[string]figures) T) T {
	all := make([]T, len(rounds))
	for i, r := range rounds {
		all[i] = pick(r)
	}
	slices.Sort(all)
	return all[len(all)/2]
}
