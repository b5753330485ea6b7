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

// grant returns an event that is always written.
func grant() *audit.Event {
	e := full()
	e.Reason = ""
	return e
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
				l.Write(grant())
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

// stuck is a pipe that is read only once it is released.
type stuck struct {
	release chan struct{}
	lines   int
}

func (s *stuck) Write(p []byte) (int, error) {
	<-s.release
	s.lines += bytes.Count(p, []byte("\n"))
	return len(p), nil
}

// A writer that hangs must neither stop requests for ever nor lose what was taken.
func TestHangingWriterIsReportedAndLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipe := &stuck{release: make(chan struct{})}
		l := audit.New(pipe, audit.Config{Logger: slog.New(slog.DiscardHandler)})
		if err := errors.Join(l.Write(full()), l.Ready()); err != nil {
			t.Error(err)
		}
		time.Sleep(3 * time.Second)
		if l.Ready() == nil || l.Write(full()) == nil {
			t.Error("a stalled log is ready")
		}
		close(pipe.release)
		time.Sleep(time.Second)
		if err := errors.Join(l.Ready(), l.Write(full()), l.Close()); err != nil {
			t.Error(err)
		}
		if pipe.lines != 3 || l.Failed() != 0 {
			t.Errorf("%d lines, %d lost, want 3 and 0", pipe.lines, l.Failed())
		}
	})
}

func TestFullBufferDelaysForABoundedTime(t *testing.T) {
	for _, lossy := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			pipe := &stuck{release: make(chan struct{})}
			l := audit.New(pipe, audit.Config{Buffer: 1000, Lossy: lossy, Logger: slog.New(slog.DiscardHandler)})
			begin, refused := time.Now(), 0
			for range 20 {
				if l.Write(full()) != nil {
					refused++
				}
			}
			if took := time.Since(begin); took > 5*time.Second {
				t.Errorf("20 events waited for %v", took)
			}
			taken := 20 - int(l.Failed())
			if taken == 0 || taken > 4 {
				t.Errorf("%d events were taken while the pipe was full; the buffer holds 2", taken)
			}
			if lossy && refused > 0 || !lossy && refused < 20-taken {
				t.Errorf("lossy %v: %d events were refused", lossy, refused)
			}
			close(pipe.release)
			if err := l.Close(); err != nil || pipe.lines != taken {
				t.Errorf("%d lines, want %d: %v", pipe.lines, taken, err)
			}
		})
	}
}

func TestCloseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipe := &stuck{release: make(chan struct{})}
		l := audit.New(pipe, audit.Config{Logger: slog.New(slog.DiscardHandler)})
		for range 3 {
			l.Write(full())
		}
		begin := time.Now()
		if err := l.Close(); err == nil || !strings.Contains(err.Error(), "3 events are not in the audit log") {
			t.Error(err)
		}
		if took := time.Since(begin); took > 3*time.Second || l.Failed() != 3 {
			t.Errorf("took %v, %d lost", took, l.Failed())
		}
		close(pipe.release)
	})
}

// disk takes room bytes, as a file system that fills up.
type disk struct {
	mu   sync.Mutex
	room int
	out  bytes.Buffer
}

func (d *disk) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := min(d.room, len(p))
	d.room -= n
	d.out.Write(p[:n])
	if n < len(p) {
		return n, errors.New("no space left")
	}
	return n, nil
}

// What a full disk did not take is written once there is room, and a torn line is
// followed by a line break.
func TestFullDiskLosesNothing(t *testing.T) {
	length := len(full().Line())
	for _, row := range []struct {
		name       string
		room, torn int
	}{
		{"nothing", 0, 0},
		{"between two lines", length, 0},
		{"within the first line", 10, 1},
		{"within the second line", length + 10, 1},
		{"all but a line break", length - 1, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var logged bytes.Buffer
				d := &disk{room: row.room}
				l := audit.New(d, audit.Config{Logger: slog.New(slog.NewTextHandler(&logged, nil))})
				for range 3 {
					l.Write(full())
				}
				time.Sleep(5 * time.Second)
				if l.Ready() == nil {
					t.Error("a log without room is ready")
				}
				d.mu.Lock()
				d.room = 1 << 20
				d.mu.Unlock()
				time.Sleep(2 * time.Second)
				if err := errors.Join(l.Ready(), l.Write(full()), l.Close()); err != nil {
					t.Error(err)
				}
				if n := events(d.out.String()); n != (counted{4, row.torn}) {
					t.Errorf("%+v: %s", n, &d.out)
				}
				if n := strings.Count(logged.String(), "no space left"); n != 1 || !strings.Contains(logged.String(), "written again") {
					t.Errorf("logged %d times: %s", n, &logged)
				}
			})
		})
	}
}

// counted is how many lines are events, and how many are not.
type counted struct{ whole, torn int }

func events(out string) (n counted) {
	for line := range strings.Lines(out) {
		if json.Valid([]byte(line)) && strings.HasSuffix(line, "\n") {
			n.whole++
		} else {
			n.torn++
		}
	}
	return n
}

func TestEventsAfterCloseAreCounted(t *testing.T) {
	var out bytes.Buffer
	l := audit.New(&out, audit.Config{})
	l.Close()
	err := l.Write(full())
	l.Close()
	if out.Len() != 0 || l.Failed() != 1 || err == nil {
		t.Errorf("wrote %q, counted %d: %v", &out, l.Failed(), err)
	}
}

func BenchmarkWrite(b *testing.B) {
	l := audit.New(io.Discard, audit.Config{})
	defer l.Close()
	e := grant()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			l.Write(e)
		}
	})
}
