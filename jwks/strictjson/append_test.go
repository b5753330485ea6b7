package strictjson

import (
	"encoding/json"
	"math"
	"testing"
	"time"
)

func TestBuffer(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 600_000_000, time.FixedZone("", 3600))
	b := Buffer("prefix").Begin()
	b = b.String("s", `a"\<`+"\n\xff\u00e9").OmitString("s2", "").OmitToken("t", "x.y").OmitToken("t2", "")
	b = b.Strings("l", nil).OmitStrings("l2", nil).OmitStrings("l3", []string{"a", "b"})
	b = b.Int("i", -5).Bool("b", false).Time("at", at).OmitRaw("r", []byte(`{}`)).OmitRaw("r2", nil)
	b = b.Key("a").BeginArray()
	for range 2 {
		b = b.Next().Begin().Int("n", 1).End()
	}
	b, err := b.EndArray().Value("v", []any{nil, map[string]any{"f": 1.5}, json.Number("10")})
	b = b.End()
	want := `prefix{"s":"a\"\\\u003c\u000a` + "\ufffd\u00e9" + `","t":"x.y","l":[],"l3":["a","b"],"i":-5,"b":false,` +
		`"at":"2026-01-02T02:04:05.6Z","r":{},"a":[{"n":1},{"n":1}],"v":[null,{"f":1.5},10]}`
	if string(b) != want || err != nil {
		t.Errorf("%s, %v; want\n%s", b, err, want)
	}
	if _, err := Buffer(nil).Begin().Value("f", []any{math.NaN()}); err == nil || err.Error() != `member "f": json: unsupported value: NaN` {
		t.Errorf("NaN: %v", err)
	}
}

func TestBufferStaysOnTheStack(t *testing.T) {
	token, scopes := "eyJ", []string{"a", "b"}
	if n := testing.AllocsPerRun(10, func() {
		var room [512]byte
		b := Buffer(room[:0]).Begin().OmitToken("access_token", token).Int("expires_in", 900).Strings("scopes", scopes)
		if b = b.Time("time", time.Unix(1, 0)).Bool("b", true).End(); len(b) > len(room) {
			t.Error("the room is too small")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
