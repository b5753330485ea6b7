package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"

	"cambio/cmd/cambio/yamlfile"
	"cambio/exchange/admin"
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
		c.say("hint", "see: "+e.command+" --help")
		return exitUsage
	}
	if e, ok := errors.AsType[yamlfile.Errors](err); ok {
		c.sayErrors(e)
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

func (c *cli) sayErrors(all yamlfile.Errors) {
	for _, e := range all {
		c.say("error", e.Place+": "+e.Message)
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
		return hintForStatus(e.Status)
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return "no server listens there: start one with: cambio serve, or name its admin listener with --admin"
	}
	return ""
}

func hintForStatus(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "the token file is not this server's; name the right one with --admin-token-file"
	case http.StatusMisdirectedRequest:
		return `add the name to "adminHosts" in the server's configuration, or call it by 127.0.0.1`
	}
	return ""
}
