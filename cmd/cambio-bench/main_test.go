package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestMain lets the test binary run the yardsticks, as the program does.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "yardstick" {
		main()
		return
	}
	os.Exit(m.Run())
}

// Every server accepts every request. The test does not check speed.
func TestEveryServerAcceptsTheLoad(t *testing.T) {
	for _, c := range []struct {
		name  string
		more  []string
		names []string // of the rows
	}{
		{"one issuer", nil, names[:5]},
		{"more issuers and users", []string{"-issuers", "3", "-users", "10"}, names},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			args := append([]string{"-tokens", "5", "-c", "2", "-d", "200ms", "-rounds", "1"}, c.more...)
			if err := run(t.Context(), args, &out); err != nil {
				t.Fatalf("%v\n%s", err, &out)
			}
			for _, name := range c.names {
				row := regexp.MustCompile(fmt.Sprintf(`(?m)^ +2 +%s +[1-9]\d* +\S+ +\S+ +0 +\S+ *$`, regexp.QuoteMeta(name)))
				if !row.MatchString(out.String()) {
					t.Errorf("no row of %s without errors", name)
				}
			}
			if n := strings.Count(out.String(), "goal"); n != len(c.names)-3 {
				t.Errorf("%d ratios, want %d", n, len(c.names)-3)
			}
			if t.Failed() {
				t.Log(out.String())
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, args := range [][]string{{"-c", "x"}, {"-c", "0"}, {"-c", ""}, {"-tokens", "0"}, {"-rounds", "-1"}, {"-d", "0s"}, {"-issuers", "0"}, {"-users", "-1"}} {
		if _, err := parse(args); err == nil {
			t.Errorf("%v was accepted", args)
		}
	}
}

// A line of any length ends neither the wait for the address nor the reading.
func TestLogLinesOfAnyLengthAreRead(t *testing.T) {
	long := "level=INFO " + strings.Repeat("x", 1<<20) + "\n"
	log := bufio.NewReader(strings.NewReader(long + "level=INFO " + listening + "127.0.0.1:8080 admin=x\n" + long))
	if addr, err := awaitAddress(log); err != nil || addr != "127.0.0.1:8080" {
		t.Errorf("%q, %v", addr, err)
	}
	for line := range logLines(log) {
		if line != long {
			t.Errorf("the next line has %d bytes", len(line))
		}
	}
	if _, err := log.ReadByte(); err != io.EOF {
		t.Errorf("the log was not read to its end: %v", err)
	}
	if addr, err := awaitAddress(bufio.NewReader(strings.NewReader(listening + "127.0.0.1:80"))); err == nil {
		t.Errorf("half a line has the address %s", addr)
	}
}

func TestReadResponse(t *testing.T) {
	for _, c := range []struct {
		name, text string
		status     int // 0 means an error
	}{
		{"granted", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 200},
		{"refused", "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n", 400},
		{"no length", "HTTP/1.1 200 OK\r\n\r\n", 0},
		{"cut short", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", 0},
		{"no status", "\r\n\r\n", 0},
	} {
		status, err := readResponse(bufio.NewReader(strings.NewReader(c.text)))
		if (c.status == 0) != (err != nil) || err == nil && status != c.status {
			t.Errorf("%s: %d, %v", c.name, status, err)
		}
	}
}
