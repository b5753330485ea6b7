package exchange_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"cambio/exchange"
)

func TestDurationText(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"15m": 15 * time.Minute, "720h": 720 * time.Hour, "1h30m": 90 * time.Minute, "90s": 90 * time.Second, "0s": 0,
		"10m": 10 * time.Minute, "100ms": 100 * time.Millisecond,
	} {
		var d exchange.Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || time.Duration(d) != want {
			t.Errorf("%s: %v, %v", text, d, err)
		}
	}
	for d, want := range map[time.Duration]string{
		15 * time.Minute: "15m", 720 * time.Hour: "720h", 90 * time.Second: "1m30s", time.Hour + time.Second: "1h0m1s",
		10 * time.Second: "10s", 20 * time.Minute: "20m", 0: "0s",
	} {
		if got := exchange.Duration(d).String(); got != want {
			t.Errorf("%v is written %s, want %s", d, got, want)
		}
	}
	for _, text := range []string{"", "15", "-1m", "1d", "1 m", "99999999h"} {
		d := exchange.Duration(7)
		if err := d.UnmarshalText([]byte(text)); err == nil || d != 7 {
			t.Errorf("%q became %v, %v", text, d, err)
		}
	}
}

func TestDurationReadsWhatItWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := exchange.Duration(rapid.Int64Range(0, 1<<62).Draw(t, "d"))
		text, _ := d.MarshalText()
		var back exchange.Duration
		if err := back.UnmarshalText(text); err != nil || back != d {
			t.Fatalf("%s became %s: %v", text, back, err)
		}
	})
}

func TestEarlierIgnoresZero(t *testing.T) {
	var never time.Time
	one, two := time.Unix(1, 0), time.Unix(2, 0)
	for _, row := range []struct{ a, b, want time.Time }{
		{one, two, one}, {two, one, one}, {one, never, one}, {never, one, one}, {never, never, never},
	} {
		if got := exchange.Earlier(row.a, row.b); !got.Equal(row.want) {
			t.Errorf("the earlier of %s and %s is %s", row.a, row.b, got)
		}
	}
}
