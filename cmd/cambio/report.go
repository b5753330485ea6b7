package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
	"unicode"

	"cambio/cmd/cambio/yamlfile"
	"cambio/exchange/admin"

	"github.com/goccy/go-yaml"
)

// Messages to the operator follow these rules: they go to standard error; they
// say what happened, with the name and value concerned, in lower case and without
// a final period; and where a command or a setting helps, a hint names it.

// hintError is an error and what to do about it.
type hintError struct {
	err  error
	hint string
}

func (e *hintError) Error() string { return e.err.Error() }
func (e *hintError) Unwrap() error { return e.err }

func hinted(err error, hint string) error { return &hintError{err, hint} }

// report prints err and returns the exit code.
func (c *cli) report(err error) int {
	if err == nil {
		return exitDone
	}
	if e, ok := errors.AsType[*usageError](err); ok {
		c.say("error", e.Error())
		if !e.cmd.HasSubCommands() {
			c.say("usage", e.cmd.UseLine())
		}
		c.say("hint", "see: "+e.cmd.CommandPath()+" --help")
		return exitUsage
	}
	if e, ok := errors.AsType[yamlfile.Errors](err); ok {
		c.sayPlaces("error", e)
	} else {
		c.say("error", err.Error())
	}
	if hint := hintFor(err); hint != "" {
		c.say("hint", hint)
	}
	return exitFailed
}

// say writes text after its kind. Further lines belong to the first and are
// indented.
func (c *cli) say(kind, text string) {
	fmt.Fprintf(c.err, "cambio: %s: %s\n", kind, strings.ReplaceAll(text, "\n", "\n    "))
}

// sayPlaces writes what was found in a file, each with its line and a caret.
func (c *cli) sayPlaces(kind string, all yamlfile.Errors) {
	for _, e := range all {
		c.say(kind, e.Place+": "+e.Message)
		fmt.Fprint(c.err, e.Excerpt)
		if e.Hint != "" {
			c.say("hint", e.Hint)
		}
	}
}

// hintFor returns what to do about err, or nothing if its text says enough.
func hintFor(err error) string {
	if e, ok := errors.AsType[*hintError](err); ok {
		return e.hint
	}
	if e, ok := errors.AsType[*admin.Error](err); ok {
		return statusHints[e.Status]
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return "no server listens there: start one with: cambio serve, or name its admin listener with --admin"
	}
	return ""
}

// statusHints says what to do about error responses of the admin API: status → hint.
var statusHints = map[int]string{
	http.StatusUnauthorized:       "the token file is not this server's; name the right one with --admin-token-file",
	http.StatusMisdirectedRequest: `add the name to "adminHosts" in the server's configuration, or call it by 127.0.0.1`,
}

// show prints v as JSON if the command line requests that or text is nil, and
// otherwise as text prints it. It returns the first error of writing: a secret that is shown
// once must not be lost without one.
func (c *cli) show(v any, text func()) error {
	if c.output != "json" && text != nil {
		out := &checkedWriter{Writer: c.out}
		c.out = out
		text()
		return out.err
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := c.out.Write(terminalControl.ReplaceAllFunc(b.Bytes(), func(r []byte) []byte {
		return fmt.Appendf(nil, `\u%04x`, []rune(string(r))[0])
	}))
	return err
}

// terminalControl matches what could act on a terminal and JSON does not escape:
// claims hold text that users chose.
var terminalControl = regexp.MustCompile(`[\x{7f}-\x{9f}\x{202a}-\x{202e}\x{2066}-\x{2069}]`)

// checkedWriter keeps the first error of writing.
type checkedWriter struct {
	io.Writer
	err error
}

func (w *checkedWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	w.err = cmp.Or(w.err, err)
	return n, err
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
	if !terminal(c.in) {
		return hinted(errors.New("not confirmed: standard input is not a terminal"), "look at what is printed above, then add --yes")
	}
	fmt.Fprintf(c.err, "%s [y/N] ", question)
	answer, err := bufio.NewReader(c.in).ReadString('\n')
	if err != nil {
		fmt.Fprintln(c.err) // the input ended within the line of the question
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
