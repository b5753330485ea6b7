package main

import (
	"fmt"
	"io"
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

// bench is everything that a measurement needs, running.
type bench struct {
	options
	targets   []target
	processes []*process
	ratios    []ratio
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

func (b *bench) stop() {
	for _, p := range b.processes {
		p.stop()
	}
}

// measure runs the targets by turns, so that a noisy moment of the machine
// meets all of them, and prints medians and the median of the ratios per round.
func (b *bench) measure(out io.Writer) error {
	if err := b.warm(); err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "concurrency\tserver\treq/s\tp50\tp99\terrors\tcpu/req\t")
	var lines []string
	for _, level := range b.concurrency {
		rounds := make([]map[string]figures, b.rounds)
		for i := range rounds {
			var err error
			if rounds[i], err = b.round(level); err != nil {
				return err
			}
		}
		b.print(table, level, rounds)
		lines = append(lines, b.compare(level, rounds)...)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, line := range lines {
		fmt.Fprintln(out, line)
	}
	return nil
}

// warm lets the tokens meet their servers before anything is measured, so that
// users exist, keys are fetched and files have grown.
func (b *bench) warm() error {
	for _, t := range b.targets {
		r, err := load{t.addr, t.requests, 32, b.duration}.run()
		if err != nil {
			return fmt.Errorf("warming %s: %w", t.name, err)
		}
		if r.errors > 0 {
			return fmt.Errorf("warming %s: %d of %d requests were refused", t.name, r.errors, r.requests)
		}
	}
	return nil
}

func (b *bench) round(level int) (map[string]figures, error) {
	round := map[string]figures{}
	for _, t := range b.targets {
		f, err := t.measure(level, b.duration)
		if err != nil {
			return nil, fmt.Errorf("%s at %d: %w", t.name, level, err)
		}
		round[t.name] = f
	}
	return round, nil
}

func (t target) measure(level int, d time.Duration) (figures, error) {
	before, err := t.process.cpu()
	if err != nil {
		return figures{}, err
	}
	r, err := load{t.addr, t.requests, level, d}.run()
	if err != nil {
		return figures{}, err
	}
	after, err := t.process.cpu()
	return figures{r.perSecond(), r.p50, r.p99, r.errors, (after - before) / time.Duration(r.requests)}, err
}

func (b *bench) print(out io.Writer, level int, rounds []map[string]figures) {
	for _, t := range b.targets {
		f := medians(rounds, t.name)
		fmt.Fprintf(out, "%d\t%s\t%.0f\t%v\t%v\t%d\t%v\t\n", level, t.name, f.perSecond,
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
