package checkout

import (
	"encoding/json"
	"testing"
)

// FuzzAccepted: a yes is an object with accepted true, whoever reads it.
func FuzzAccepted(f *testing.F) {
	for _, s := range []string{
		`{"accepted":true}`, `{"accepted":false}`, `{"accepted":true,"accepted":false}`, `{"Accepted":true}`,
		`{"a":{"accepted":true}}`, `{"accepted":true}x`, `[true]`, `{"\u0061ccepted":true}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		yes, err := accepted(body)
		if err != nil && yes {
			t.Error("an error came with a yes")
		}
		var members map[string]any
		if err == nil && json.Unmarshal(body, &members) != nil {
			t.Fatalf("%q is not JSON, but answers %t", body, yes)
		}
		if err == nil && members["accepted"] != yes {
			t.Errorf("%q answers %t", body, yes)
		}
	})
}
