package checkout

import (
	"encoding/json"
	"strconv"
	"testing"
)

// FuzzAccepted checks that the result does not depend on the JSON decoder.
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
		var members map[string]json.RawMessage
		if err == nil && json.Unmarshal(body, &members) != nil {
			t.Fatalf("%q is not an object, but read as %t", body, yes)
		}
		if err == nil && string(members["accepted"]) != strconv.FormatBool(yes) {
			t.Errorf("%q was read as %t", body, yes)
		}
	})
}
