package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/goccy/go-yaml"
)

// show prints v as JSON when that was asked for, and as text prints it
// otherwise.
func (c *cli) show(v any, text func()) error {
	if c.output != "json" {
		text()
		return nil
	}
	enc := json.NewEncoder(c.out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// showUnless shows v unless err came instead of it. A nil text prints v.
func (c *cli) showUnless(err error, v any, text func()) error {
	if err != nil {
		return err
	}
	if text == nil {
		text = func() { fmt.Fprintln(c.out, v) }
	}
	return c.show(v, text)
}

// done is what a verb did that answers nothing else.
type done struct {
	Kind   string `json:"kind"`
	ID     string `json:"id"`
	Action string `json:"action"`
}

func (d done) String() string { return d.Kind + " " + d.ID + " " + d.Action }

// table prints rows below head in columns. What others chose is printed
// without what could act on the terminal.
func table(out io.Writer, head string, rows [][]string) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.ReplaceAll(head, " ", "\t"))
	for _, row := range rows {
		for i, cell := range row {
			row[i] = cmp.Or(printable(cell), "-")
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	w.Flush()
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '�'
		}
		return r
	}, s)
}

func join(list []string) string { return strings.Join(list, " ") }

// yaml prints a registration as it is written in a manifest.
func (c *cli) yaml(v any) {
	text, err := yaml.MarshalWithOptions(v, yaml.IndentSequence(true))
	if err != nil {
		fmt.Fprintln(c.out, err)
		return
	}
	c.out.Write(text)
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// confirm asks question on a terminal. Elsewhere nobody can answer, so yes
// must have been said by a flag.
func (c *cli) confirm(question string, yes bool) error {
	if yes {
		return nil
	}
	nobody := hinted(errors.New("not confirmed: nobody is there to answer"), "look at what is printed above, then add --yes")
	if !terminal(c.in) {
		return nobody
	}
	fmt.Fprintf(c.err, "%s [y/N] ", question)
	answer, err := bufio.NewReader(c.in).ReadString('\n')
	if err != nil && answer == "" {
		return nobody
	}
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return errors.New("not confirmed: nothing was changed")
	}
	return nil
}

func terminal(r io.Reader) bool {
	f, ok := r.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
