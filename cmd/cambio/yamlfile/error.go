package yamlfile

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml/token"

	"cambio/exchange"
)

// Error is one problem of a file, or of a setting that overrides the file.
type Error struct {
	Place   string // such as trust.yaml:3:5
	Message string
	Excerpt string // the line with a caret below the column, or empty
	Hint    string // what to do about it, or empty
}

// Errors lists the problems of a file.
type Errors []Error

// Error returns one line for each problem.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Place + ": " + one.Message
	}
	return strings.Join(lines, "\n")
}

// Refuse returns an error that places each problem in the file, or nil if there
// are none.
func (d *Document) Refuse(problems []exchange.Problem) error {
	if len(problems) == 0 {
		return nil
	}
	var all Errors
	for _, p := range problems {
		all = append(all, d.Locate(p))
	}
	return all
}

// Locate places a problem in the file. The message drops the root of the path,
// because the file's name stands for it.
func (d *Document) Locate(p exchange.Problem) Error {
	message := p.Message
	if len(p.Path) > 2 {
		message = p.Path[2:] + ": " + message
	}
	return d.error(d.at(p.Path), message)
}

// error places a message at a token. A nil token is the file as a whole.
func (d *Document) error(at *token.Token, message string) Error {
	if at == nil {
		return Error{Place: d.name, Message: message}
	}
	place := fmt.Sprintf("%s:%d:%d", d.name, at.Position.Line, at.Position.Column)
	return Error{Place: place, Message: message, Excerpt: d.excerpt(at.Position)}
}

// secret matches the first line of what an excerpt must not show. In a manifest: shared
// secrets, keys, which may be private ones by mistake, and the endpoints of chains,
// whose URLs may contain an API key. In a configuration: passwords and keys, which have
// no place there. Terminals are recorded, and a server's output ends in a journal.
var secret = regexp.MustCompile(`(?i)(\b(?:value|jwks|pem|signingKeys|password|keyEncryptionKey|[a-z]\w*:\w+)(?:["']\s*:|\s*:\s)\s*)\S.*`)

// excerpt returns the line at a position with a caret below its column, or
// nothing if the file has no such line.
func (d *Document) excerpt(at *token.Position) string {
	n, column := at.Line, at.Column
	if n < 1 || n > len(d.lines) {
		return ""
	}
	line := strings.TrimSuffix(d.lines[n-1], "\r")
	line, column = window([]rune(line), column)
	margin := fmt.Sprintf("%5d | ", n)
	blank := strings.Repeat(" ", len(margin)-2) + "| "
	return margin + line + "\n" + blank + strings.Repeat(" ", max(column-1, 0)) + "^\n"
}

// window cuts a line to the width of a terminal around column, which counts
// from 1, and makes each rune one cell wide.
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
