package audit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"cambio/exchange"
	"cambio/exchange/audit"
)

var at = time.Date(2026, 1, 2, 3, 4, 5, 6000, time.FixedZone("", 3600))

func full() *audit.Event {
	return &audit.Event{
		Time: at, Name: "token", RequestID: "r1", Grant: "refresh_token", Reason: exchange.ReasonConditionFailed,
		Client: "web", Issuer: "acme", Subject: "alice", User: "u1", Into: "u2", Session: "s1", Key: "k1",
		Rules: []string{"staff", "mfa"}, Scopes: []string{"read"}, Address: netip.MustParseAddr("192.0.2.1"),
		Checks: []exchange.Check{
			{Name: "iss", Want: "a", Got: "a", Passed: true},
			{Name: "country", Want: "DE", Got: "FR", Audit: true},
			{Name: "staff", Want: "true", Got: "false"},
		},
		Err: "staff: want true, got false",
	}
}

// lines writes events and returns what was written.
func lines(t *testing.T, events ...*audit.Event) string {
	t.Helper()
	var out bytes.Buffer
	l := audit.New(&out, audit.Config{})
	for _, e := range events {
		l.Write(e)
	}
	l.Close()
	if n := l.Failed(); n != 0 {
		t.Errorf("%d events failed", n)
	}
	return out.String()
}

func TestEventIsOneLineOfJSON(t *testing.T) {
	want := `{"time":"2026-01-02T02:04:05.000006Z","event":"token","request_id":"r1","outcome":"refused",` +
		`"reason":"CONDITION_FAILED","grant_type":"refresh_token","client":"web","issuer":"acme","subject":"alice",` +
		`"user":"u1","into":"u2","session":"s1","key":"k1","rules":["staff","mfa"],"scopes":["read"],"address":"192.0.2.1",` +
		`"audited":[{"check":"country","want":"DE","got":"FR"}],"failed":{"check":"staff","want":"true","got":"false"},` +
		`"error":"staff: want true, got false"}` + "\n"
	if got := lines(t, full()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestEmptyFieldsAreOmitted(t *testing.T) {
	want := `{"time":"2026-01-02T02:04:05.000006Z","event":"revoke","outcome":"granted"}` + "\n"
	if got := lines(t, &audit.Event{Time: at, Name: "revoke"}); got != want {
		t.Errorf("got %s want %s", got, want)
	}
}

func TestTextsAreEscapedAndCut(t *testing.T) {
	for _, row := range []struct{ name, text, want string }{
		{"quote and backslash", `a"b\`, `a\"b\\`},
		{"line break", "a\r\nb", `a\u000d\u000ab`},
		{"terminal escape", "\x1b[2J\x7f\u009b", `\u001b[2J\u007f\u009b`},
		{"right to left", "a\u202eb", `a\u202eb`},
		{"beyond 16 bits, unprintable", "\U000e0001", `\udb40\udc01`},
		{"letters of the world", "Jürgen 東京 😀", "Jürgen 東京 😀"},
		{"not UTF-8", "a\xffb", "a\ufffdb"},
		{"128 bytes", strings.Repeat("x", 128), strings.Repeat("x", 128)},
		{"129 bytes", strings.Repeat("x", 129), strings.Repeat("x", 128) + "…"},
		{"cut within a letter", strings.Repeat("x", 127) + "ü", strings.Repeat("x", 127) + "…"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := lines(t, &audit.Event{Time: at, Name: "token", Subject: row.text})
			if !strings.Contains(got, `"subject":"`+row.want+`"}`) {
				t.Errorf("got %s want subject %s", got, row.want)
			}
		})
	}
}

// A peer on the same link can choose any text as zone.
func TestAddressHasNoZone(t *testing.T) {
	got := lines(t, &audit.Event{Time: at, Name: "token", Address: netip.MustParseAddr(`fe80::1%a"b`)})
	if !strings.Contains(got, `"address":"fe80::1"}`) {
		t.Error(got)
	}
}

func FuzzEventIsOneLine(f *testing.F) {
	f.Add("alice", "got", "a\nb")
	f.Add("\x00\u2028\xc3", "\U0010ffff\ufeff", `"}`)
	f.Fuzz(func(t *testing.T, subject, got, list string) {
		e := audit.Event{
			Time: at, Name: "token", Reason: "X", Subject: subject, Rules: []string{list}, Err: got,
			Checks: []exchange.Check{{Name: list, Got: got}},
		}
		out := e.Line()
		if strings.Count(out, "\n") != 1 || !strings.HasSuffix(out, "\n") || !utf8.ValidString(out) {
			t.Fatalf("not one line of UTF-8: %q", out)
		}
		for _, r := range strings.TrimSuffix(out, "\n") {
			if !unicode.IsPrint(r) {
				t.Fatalf("unprintable %U in %q", r, out)
			}
		}
		var back struct {
			Subject string
			Rules   []string
		}
		if err := json.Unmarshal([]byte(out), &back); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		if utf8.ValidString(subject) && len(subject) <= 128 && back.Subject != subject {
			t.Fatalf("subject %q came back as %q", subject, back.Subject)
		}
	})
}

func TestConcurrentWritersKeepWholeLines(t *testing.T) {
	var out bytes.Buffer
	l := audit.New(&out, audit.Config{Buffer: 2000}) // a few lines: most writers wait
	var writers sync.WaitGroup
	for range 32 {
		writers.Go(func() {
			for range 50 {
				l.Write(full())
			}
		})
	}
	writers.Wait()
	l.Close()
	got := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(got) != 32*50 {
		t.Fatalf("%d lines, want %d", len(got), 32*50)
	}
	for _, line := range got {
		if !json.Valid([]byte(line)) {
			t.Fatalf("torn line %s", line)
		}
	}
}

// stuck is a disk that hangs until it is released.
type stuck struct {
	release chan struct{}
	lines   int
}

func (s *stuck) Write(p []byte) (int, error) {
	<-s.release
	s.lines += bytes.Count(p, []byte("\n"))
	return len(p), nil
}

func TestFullBufferDelaysRequestsAndDropsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &stuck{release: make(chan struct{})}
		l := audit.New(disk, audit.Config{Buffer: 1000})
		written := 0
		go func() {
			for range 20 {
				l.Write(full())
				written++
			}
		}()
		synctest.Wait()
		time.Sleep(time.Hour)
		synctest.Wait()
		if written == 0 || written > 4 {
			t.Errorf("%d events were taken while the disk hung; the buffer holds 2", written)
		}
		close(disk.release)
		synctest.Wait()
		time.Sleep(time.Second)
		synctest.Wait()
		l.Close()
		if written != 20 || disk.lines != 20 {
			t.Errorf("%d taken, %d on the disk, want 20", written, disk.lines)
		}
	})
}

// broken refuses writes while its error is set.
type broken struct {
	err error
	out bytes.Buffer
}

func (b *broken) Write(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	return b.out.Write(p)
}

func TestWriteErrorsAreCountedAndLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		w := &broken{err: errors.New("no space left")}
		l := audit.New(w, audit.Config{Logger: slog.New(slog.NewTextHandler(&logged, nil))})
		for range 3 {
			l.Write(full())
			time.Sleep(time.Second)
		}
		synctest.Wait()
		w.err = nil
		l.Write(full())
		l.Close()
		if l.Failed() != 3 {
			t.Errorf("%d failed, want 3", l.Failed())
		}
		if n := strings.Count(logged.String(), "no space left"); n != 1 {
			t.Errorf("logged %d times: %s", n, &logged)
		}
		if !strings.Contains(logged.String(), "events_lost=3") {
			t.Errorf("recovery was not logged: %s", &logged)
		}
		if n := strings.Count(w.out.String(), "\n"); n != 1 {
			t.Errorf("%d lines written after recovery, want 1", n)
		}
	})
}

func TestEventsAfterCloseAreCounted(t *testing.T) {
	var out bytes.Buffer
	l := audit.New(&out, audit.Config{})
	l.Close()
	l.Write(full())
	l.Close()
	if out.Len() != 0 || l.Failed() != 1 {
		t.Errorf("wrote %q, counted %d", &out, l.Failed())
	}
}

func BenchmarkWrite(b *testing.B) {
	l := audit.New(io.Discard, audit.Config{})
	defer l.Close()
	e := full()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			l.Write(e)
		}
	})
}
