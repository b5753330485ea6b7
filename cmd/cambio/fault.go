package main

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml/token"
)

// fault is one thing that is wrong in a file, or in what was laid over it. A
// nil at is the file as a whole.
type fault struct {
	source  string // if it is not the file
	at      *token.Token
	message string
	hint    string
}

// faults is everything that is wrong in a file.
type faults struct {
	doc  *document
	list []fault
}

func (e *faults) Error() string {
	lines := make([]string, len(e.list))
	for i, f := range e.list {
		lines[i] = e.doc.place(f) + f.message
	}
	return strings.Join(lines, "\n")
}

func (d *document) place(f fault) string {
	if f.source != "" {
		return f.source + ": "
	}
	if f.at == nil {
		return d.name + ": "
	}
	return fmt.Sprintf("%s:%d:%d: ", d.name, f.at.Position.Line, f.at.Position.Column)
}

// secret matches what an excerpt must not show: terminals are recorded, and
// what serve prints ends in a journal.
var secret = regexp.MustCompile(`\bvalue["']?\s*:\s*(\S.*)`)

// excerpt shows the line of f with a caret below its column, or nothing when
// the file has no such line.
func (d *document) excerpt(f fault) string {
	if f.at == nil {
		return ""
	}
	lines := strings.Split(string(d.text), "\n")
	n, column := f.at.Position.Line, f.at.Position.Column
	if n < 1 || n > len(lines) {
		return ""
	}
	line := strings.TrimSuffix(lines[n-1], "\r")
	if m := secret.FindStringSubmatchIndex(line); m != nil {
		line = line[:m[2]] + "…"
	}
	line, column = window([]rune(line), column)
	margin := fmt.Sprintf("%5d | ", n)
	blank := strings.Repeat(" ", len(margin)-2) + "| "
	return margin + line + "\n" + blank + strings.Repeat(" ", max(column-1, 0)) + "^\n"
}

// window cuts a line to what fits a terminal around column, which counts from
// 1, and makes each rune one cell wide.
func window(line []rune, column int) (string, int) {
	const before, after = 60, 40
	from := max(0, min(column-before, len(line)))
	to := min(len(line), max(column, 0)+after)
	shown := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, string(line[from:to]))
	return shown, column - from
}
