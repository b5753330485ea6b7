package audit_test

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"cambio/exchange"
	"cambio/exchange/audit"
)

// tally counts what a log says about refusals.
type tally struct {
	lines, refused, suppressed, granted int
}

// tallied closes the log and counts.
func tallied(t *testing.T, l *audit.Log, out *bytes.Buffer) (n tally) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		var e struct {
			Outcome    string
			RequestID  string `json:"request_id"`
			Suppressed int
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		n.lines++
		n.suppressed += e.Suppressed
		switch {
		case e.Outcome == "granted":
			n.granted++
		case e.RequestID != "":
			n.refused++
		}
	}
	return n
}

func refusal(at time.Time, reason exchange.Reason, address string) *audit.Event {
	return &audit.Event{Time: at, Name: "token", RequestID: "r", Reason: reason, Address: netip.MustParseAddr(address)}
}

// The first refusals of a flood are written, then one a second; all are counted, and
// neither grants nor refusals of another kind or address are hidden by it.
func TestFloodsOfRefusalsAreSampled(t *testing.T) {
	var out bytes.Buffer
	l := audit.New(&out, audit.Config{})
	const flood = 31_000
	for i := range flood {
		now := at.Add(time.Duration(i) * 10 * time.Second / flood)
		l.Write(refusal(now, exchange.ReasonOriginNotAllowed, "192.0.2.1"))
		if i%1000 == 0 {
			l.Write(&audit.Event{Time: now, Name: "token", RequestID: "g", Address: netip.MustParseAddr("192.0.2.1")})
		}
	}
	l.Write(refusal(at, exchange.ReasonClientUnknown, "192.0.2.1"))
	l.Write(refusal(at, exchange.ReasonOriginNotAllowed, "192.0.2.2"))
	n := tallied(t, l, &out)
	if n.granted != flood/1000 {
		t.Errorf("%d grants are written, want %d", n.granted, flood/1000)
	}
	if n.refused < 29+2 || n.refused > 31+2 || n.refused+n.suppressed != flood+2 {
		t.Errorf("%d refusals are written and %d counted, want about 31 and all %d", n.refused, n.suppressed, flood+2)
	}
}

// What comes no faster than one a second is written in full.
func TestSlowRefusalsAreAllWritten(t *testing.T) {
	var out bytes.Buffer
	l := audit.New(&out, audit.Config{})
	for i := range 600 {
		l.Write(refusal(at.Add(time.Duration(i)*time.Second), exchange.ReasonClientUnknown, "192.0.2.1"))
	}
	if n := tallied(t, l, &out); n.refused != 600 || n.suppressed != 0 {
		t.Errorf("got %+v", n)
	}
}

// However many addresses refusals come from, they are bounded in bytes and memory, and
// all are counted.
func TestRefusalsAreBoundedTogether(t *testing.T) {
	var out bytes.Buffer
	l := audit.New(&out, audit.Config{})
	const flood, seconds = 200_000, 10
	for i := range flood {
		e := refusal(at.Add(time.Duration(i)*seconds*time.Second/flood), exchange.ReasonClientUnknown, "192.0.2.1")
		e.Address = netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		e.Err = strings.Repeat("x", 400)
		l.Write(e)
	}
	if k := l.Kinds(); k > audit.MaxKinds {
		t.Errorf("%d kinds are remembered, at most %d may be", k, audit.MaxKinds)
	}
	n := tallied(t, l, &out)
	if most := 1<<20 + seconds*64<<10 + 1<<10 + audit.MaxKinds*256; out.Len() > most { // with a line for each kind at the end
		t.Errorf("%d bytes are written, at most %d may be", out.Len(), most)
	}
	if n.refused == 0 || n.refused+n.suppressed != flood {
		t.Errorf("%d are written and %d counted of %d", n.refused, n.suppressed, flood)
	}
}

// A minute later the log has the number of those that were hidden, though no more came.
func TestSuppressedRefusalsAreReported(t *testing.T) {
	var out bytes.Buffer
	l := audit.New(&out, audit.Config{})
	for range 100 {
		l.Write(refusal(at, exchange.ReasonClientUnknown, "2001:db8::1"))
	}
	l.Sweep(at.Add(time.Minute))
	l.Sweep(at.Add(2 * time.Minute))
	n := tallied(t, l, &out)
	if n.lines != 21 || n.suppressed != 80 || l.Kinds() != 0 {
		t.Errorf("got %+v, %d kinds remembered", n, l.Kinds())
	}
	want := `"event":"token","outcome":"refused","reason":"CLIENT_UNKNOWN","address":"2001:db8::","begin":"2026-01-02T02:04:05.000006Z","suppressed":80}`
	if !strings.Contains(out.String(), want) {
		t.Errorf("got %s", &out)
	}
}

// What the server itself reports has no address, and is not sampled.
func TestReportsOfTheServerAreAllWritten(t *testing.T) {
	var out bytes.Buffer
	l := audit.New(&out, audit.Config{})
	for range 200 {
		e := refusal(at, exchange.ReasonIssuerUnavailable, "192.0.2.1")
		e.Address = netip.Addr{}
		l.Write(e)
	}
	if n := tallied(t, l, &out); n.refused != 200 {
		t.Errorf("got %+v", n)
	}
}
