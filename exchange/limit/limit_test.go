package limit_test

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"cambio/exchange/limit"

	"pgregory.net/rapid"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestBurstThenOneAttemptAMinute(t *testing.T) {
	l, a := limit.New(limit.Config{}), netip.MustParseAddr("192.0.2.1")
	for range 10 {
		if _, ok := l.Allow(a, start); !ok {
			t.Fatal("refused within the burst")
		}
		l.Failed(a, start)
	}
	wait, ok := l.Allow(a, start)
	if ok || wait != time.Minute {
		t.Fatalf("after 10 failures: allowed %v, wait %v; want refused for 1m", ok, wait)
	}
	if _, ok := l.Allow(a, start.Add(time.Minute-1)); ok {
		t.Error("allowed before the minute had passed")
	}
	now := start.Add(time.Minute)
	if _, ok := l.Allow(a, now); !ok {
		t.Fatal("refused after a minute")
	}
	l.Failed(a, now)
	if wait, ok := l.Allow(a, now); ok || wait != time.Minute {
		t.Errorf("after the one attempt: allowed %v, wait %v; want refused for 1m", ok, wait)
	}
}

func TestSuccessesDoNotCount(t *testing.T) {
	l, a := limit.New(limit.Config{}), netip.MustParseAddr("192.0.2.1")
	l.Failed(a, start)
	for range 1000 {
		if _, ok := l.Allow(a, start); !ok {
			t.Fatal("a successful attempt was counted")
		}
	}
}

func TestFailuresCountByBucket(t *testing.T) {
	for _, row := range []struct {
		name, failing, other string
		shared               bool
	}{
		{"the same IPv4 address", "192.0.2.1", "192.0.2.1", true},
		{"the next IPv4 address", "192.0.2.1", "192.0.2.2", false},
		{"IPv4 in IPv6", "192.0.2.1", "::ffff:192.0.2.1", true},
		{"the same /64", "2001:db8::1", "2001:db8::ffff:2", true},
		{"the next /64", "2001:db8:0:0::1", "2001:db8:0:1::1", false},
		{"another zone", "fe80::1%eth0", "fe80::1%eth1", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			l := limit.New(limit.Config{})
			for range 10 {
				l.Failed(netip.MustParseAddr(row.failing), start)
			}
			if _, ok := l.Allow(netip.MustParseAddr(row.other), start); ok == row.shared {
				t.Errorf("%s allowed: %v", row.other, ok)
			}
		})
	}
}

func TestConcurrentFailuresCostAtMostASecondBurst(t *testing.T) {
	l, a := limit.New(limit.Config{}), netip.MustParseAddr("192.0.2.1")
	for range 1000 {
		l.Failed(a, start)
	}
	if wait, ok := l.Allow(a, start); ok || wait != 11*time.Minute {
		t.Errorf("allowed %v, wait %v; want refused for 11m", ok, wait)
	}
}

// Memory is bounded, and an attacker with many addresses does not displace the
// address with the most failures.
func TestMemoryIsBounded(t *testing.T) {
	l := limit.New(limit.Config{Addresses: 64 * 32})
	worst := netip.MustParseAddr("198.51.100.1")
	for range 20 {
		l.Failed(worst, start)
	}
	for i := range uint32(100_000) {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], 0x0a000000+i)
		l.Failed(netip.AddrFrom4(b), start)
	}
	if n := l.Known(); n > 64*32 {
		t.Errorf("%d addresses are remembered, at most %d may be", n, 64*32)
	}
	if _, ok := l.Allow(worst, start); ok {
		t.Error("the address with the most failures was forgotten")
	}
	l.Sweep(start.Add(time.Hour))
	if n := l.Known(); n != 0 {
		t.Errorf("%d addresses are remembered an hour later", n)
	}
}

// However failing attempts are spread over time, no more of them are allowed than
// the burst and one for each minute that has passed.
func TestAttemptsNeverExceedTheRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, a := limit.New(limit.Config{}), netip.MustParseAddr("2001:db8::1")
		now, allowed := start, 0
		for _, ms := range rapid.SliceOfN(rapid.IntRange(0, 180_000), 1, 200).Draw(t, "gaps in ms") {
			now = now.Add(time.Duration(ms) * time.Millisecond)
			wait, ok := l.Allow(a, now)
			if ok != (wait == 0) {
				t.Fatalf("allowed %v with a wait of %v", ok, wait)
			}
			if !ok {
				if _, later := l.Allow(a, now.Add(wait)); !later {
					t.Fatalf("still refused after the promised %v", wait)
				}
				continue
			}
			l.Failed(a, now)
			allowed++
		}
		if most := 10 + int(now.Sub(start)/time.Minute); allowed > most {
			t.Fatalf("%d failures in %v, want at most %d", allowed, now.Sub(start), most)
		}
	})
}

func BenchmarkAllow(b *testing.B) {
	l := limit.New(limit.Config{})
	l.Failed(netip.MustParseAddr("192.0.2.7"), start)
	a := netip.MustParseAddr("2001:db8::1")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			l.Allow(a, start)
		}
	})
}
