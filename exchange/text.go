package exchange

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Clip shortens untrusted text to at most 128 bytes of whole characters. It is
// applied to everything from outside that is shown in logs, checks and errors.
func Clip(s string) string {
	const most = 128
	if len(s) <= most {
		return s
	}
	end := most - len("…")
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

// Quote returns s clipped, in quotes and with control characters escaped.
func Quote(s string) string { return strconv.Quote(Clip(s)) }

// Printable reports whether s has at most most bytes of UTF-8 and no control
// characters.
func Printable(s string, most int) bool {
	if len(s) > most {
		return false
	}
	for i := range len(s) {
		if b := s[i]; b < ' ' || b >= 0x7f { // a control character, or not ASCII
			return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
		}
	}
	return true
}

// Loopback reports whether a host is localhost or a loopback address. No name is
// looked up.
func Loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}

// LengthPrefixed encodes parts for a hash or a MAC: each part follows its length
// as a big-endian uint32, so no two lists of parts have the same encoding.
func LengthPrefixed(parts ...string) []byte {
	const width = 4
	size := 0
	for _, p := range parts {
		size += width + len(p)
	}
	out := make([]byte, 0, size)
	for _, p := range parts {
		out = binary.BigEndian.AppendUint32(out, uint32(len(p)))
		out = append(out, p...)
	}
	return out
}

// Duration is a time.Duration that YAML and JSON write as Go does: 15m, 720h. The
// zero value means the documented default of its field.
type Duration time.Duration

// Or returns d, or fallback where d is zero.
func (d Duration) Or(fallback time.Duration) time.Duration {
	if d == 0 {
		return fallback
	}
	return time.Duration(d)
}

// String returns Go's spelling without the units that are zero: 15m, not 15m0s.
func (d Duration) String() string {
	s := time.Duration(d).String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. It refuses negative
// durations, for which no field has a use.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a duration such as 15m or 720h", text)
	}
	if v < 0 {
		return fmt.Errorf("%q is negative", text)
	}
	*d = Duration(v)
	return nil
}

// Words is a list of words. In JSON and YAML a single word may stand for a list of
// one.
type Words []string

// UnmarshalJSON implements json.Unmarshaler.
func (w *Words) UnmarshalJSON(data []byte) error {
	return w.unmarshal(len(data) > 0 && data[0] == '"', func(v any) error { return json.Unmarshal(data, v) })
}

// UnmarshalYAML reads what decode decodes.
func (w *Words) UnmarshalYAML(decode func(any) error) error {
	return w.unmarshal(decode(new([]string)) != nil, decode)
}

func (w *Words) unmarshal(single bool, decode func(any) error) error {
	if !single {
		return decode((*[]string)(w))
	}
	*w = make(Words, 1)
	return decode(&(*w)[0])
}

// Earlier returns the earlier of two times; a zero time is no limit and does not
// count.
func Earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
