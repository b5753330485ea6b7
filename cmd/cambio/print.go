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

// show prints v as JSON if the command line requests that, and otherwise as
// text prints it.
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

// preview returns where a command shows what it is about to do: with -o json,
// standard output is for the outcome alone.
func (c *cli) preview() io.Writer {
	if c.output == "json" {
		return c.err
	}
	return c.out
}

// table prints records of one type in columns.
type table[T any] struct {
	head string // the names of the columns, separated by spaces
	row  func(T) []string
}

// print replaces what could act on the terminal: the cells hold text that
// users and clients chose.
func (t table[T]) print(out io.Writer, records ...T) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.ReplaceAll(t.head, " ", "\t"))
	for _, r := range records {
		row := t.row(r)
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

// confirm puts a question to the terminal. Off a terminal, a flag must have
// set yes.
func (c *cli) confirm(question string, yes bool) error {
	if yes {
		return nil
	}
	unasked := hinted(errors.New("not confirmed: standard input is not a terminal"), "look at what is printed above, then add --yes")
	if !terminal(c.in) {
		return unasked
	}
	fmt.Fprintf(c.err, "%s [y/N] ", question)
	answer, err := bufio.NewReader(c.in).ReadString('\n')
	if err != nil && answer == "" {
		return unasked
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
