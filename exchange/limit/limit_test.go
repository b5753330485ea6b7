package limit_test

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"cambio/exchange/limit"

	"pgregory.net/rapid"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestBurstThenOneAMinute(t *testing.T) {
	l, a := limit.New(limit.Config{}), limit.Address(netip.MustParseAddr("192.0.2.1"))
	for range 10 {
		if l.Fail(a, start).Over {
			t.Fatal("over the limit within the burst")
		}
	}
	for i := range 40 { // what is over the limit does not count
		if v := l.Fail(a, start); !v.Over || v.RetryAfter != time.Minute || v.Began != (i == 0) {
			t.Fatalf("failure %d after 10: %+v; want over, 1m", i+1, v)
		}
	}
	if v := l.Fail(a, start.Add(time.Minute-1)); !v.Over || v.RetryAfter != 1 {
		t.Errorf("before the minute had passed: %+v", v)
	}
	now := start.Add(time.Minute)
	if l.Fail(a, now).Over {
		t.Fatal("over the limit after a minute")
	}
	if v := l.Fail(a, now); !v.Over || v.RetryAfter != time.Minute {
		t.Errorf("after the one of the minute: %+v; want over, 1m", v)
	}
}

func TestFailuresCountByKey(t *testing.T) {
	address := func(text string) limit.Key { return limit.Address(netip.MustParseAddr(text)) }
	for _, row := range []struct {
		name           string
		failing, other limit.Key
		shared         bool
	}{
		{"the same IPv4 address", address("192.0.2.1"), address("192.0.2.1"), true},
		{"the next IPv4 address", address("192.0.2.1"), address("192.0.2.2"), false},
		{"IPv4 in IPv6", address("192.0.2.1"), address("::ffff:192.0.2.1"), true},
		{"the same /64", address("2001:db8::1"), address("2001:db8::ffff:2"), true},
		{"the next /64", address("2001:db8:0:0::1"), address("2001:db8:0:1::1"), false},
		{"another zone", address("fe80::1%eth0"), address("fe80::1%eth1"), true},
		{"the same credential", limit.Credential("shop"), limit.Credential("shop"), true},
		{"another credential", limit.Credential("shop"), limit.Credential("shop2"), false},
		{"a credential that looks like an address", limit.Credential("192.0.2.1"), address("192.0.2.1"), false},
	} {
		t.Run(row.name, func(t *testing.T) {
			l := limit.New(limit.Config{})
			for range 10 {
				l.Fail(row.failing, start)
			}
			if v := l.Fail(row.other, start); v.Over != row.shared {
				t.Errorf("the other: %+v", v)
			}
		})
	}
}

// Memory is bounded, and an attacker with many addresses does not displace the
// address with the most failures.
func TestMemoryIsBounded(t *testing.T) {
	l := limit.New(limit.Config{Keys: 64 * 32})
	worst := limit.Address(netip.MustParseAddr("198.51.100.1"))
	for range 20 {
		l.Fail(worst, start)
	}
	for i := range uint32(100_000) {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], 0x0a000000+i)
		l.Fail(limit.Address(netip.AddrFrom4(b)), start)
	}
	if n := l.Known(); n > 64*32 {
		t.Errorf("%d addresses are remembered, at most %d may be", n, 64*32)
	}
	if !l.Fail(worst, start).Over {
		t.Error("the address with the most failures was forgotten")
	}
	l.Sweep(start.Add(time.Hour))
	if n := l.Known(); n != 0 {
		t.Errorf("%d addresses are remembered an hour later", n)
	}
}

// However failures are spread over time, no more of them are within the limit than
// the burst and one for each minute that has passed, and each wait is kept.
func TestFailuresNeverExceedTheRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, a := limit.New(limit.Config{}), limit.Address(netip.MustParseAddr("2001:db8::1"))
		now, counted := start, 0
		for _, ms := range rapid.SliceOfN(rapid.IntRange(0, 180_000), 1, 200).Draw(t, "gaps in ms") {
			now = now.Add(time.Duration(ms) * time.Millisecond)
			v := l.Fail(a, now)
			if v.Over != (v.RetryAfter > 0) || v.RetryAfter > time.Minute {
				t.Fatalf("got %+v", v)
			}
			if v.Over {
				now = now.Add(v.RetryAfter)
				if l.Fail(a, now).Over {
					t.Fatalf("still over the limit after the promised %v", v.RetryAfter)
				}
			}
			counted++
		}
		if most := 10 + int(now.Sub(start)/time.Minute); counted > most {
			t.Fatalf("%d failures in %v, want at most %d", counted, now.Sub(start), most)
		}
	})
}

// A throttling ends when all failures are forgiven, however that is noticed.
func TestThrottlingBeginsAndEndsOnce(t *testing.T) {
	for name, end := range map[string]func(l *limit.Limiter, a limit.Key) []limit.Throttling{
		"a sweep": func(l *limit.Limiter, _ limit.Key) []limit.Throttling { return l.Sweep(start.Add(10 * time.Minute)) },
		"the next failure": func(l *limit.Limiter, a limit.Key) []limit.Throttling {
			if v := l.Fail(a, start.Add(time.Hour)); v.Over {
				t.Errorf("got %+v", v)
			}
			return l.Sweep(start.Add(time.Hour))
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, addr := limit.New(limit.Config{}), netip.MustParseAddr("192.0.2.1")
			a := limit.Address(addr)
			began := 0
			for range 15 {
				if l.Fail(a, start).Began {
					began++
				}
			}
			if ended := l.Sweep(start.Add(10*time.Minute - 1)); began != 1 || ended != nil {
				t.Errorf("began %d times, ended too early %v", began, ended)
			}
			ended := end(l, a)
			if want := (limit.Throttling{Address: addr, Begin: start, Refused: 5}); len(ended) != 1 || ended[0] != want {
				t.Errorf("ended %+v, want %+v", ended, want)
			}
			if more := l.Sweep(start.Add(48 * time.Hour)); more != nil {
				t.Errorf("ended again: %v", more)
			}
		})
	}
}

func TestEveryNameOnceAMinute(t *testing.T) {
	var e limit.Every
	allowed := 0
	for second := range 300 {
		if e.Allow("https://a.example", start.Add(time.Duration(second)*time.Second)) {
			allowed++
		}
	}
	if allowed != 5 {
		t.Errorf("allowed %d times in 5 minutes, want 5", allowed)
	}
	now := start.Add(time.Hour)
	others := 0
	for i := range 100_000 {
		if e.Allow(strconv.Itoa(i), now) {
			others++
		}
	}
	if others != 1024 || !e.Allow("another", now.Add(time.Minute)) {
		t.Errorf("%d names are allowed in a minute, want 1024; and others after it", others)
	}
}

func BenchmarkFail(b *testing.B) {
	l := limit.New(limit.Config{})
	a := limit.Address(netip.MustParseAddr("2001:db8::1"))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			l.Fail(a, start)
		}
	})
}
