package exchange

import (
	"encoding/json"
	"reflect"
	"testing"
)

func TestSessionClaimsSurviveStorage(t *testing.T) {
	claims := map[string]any{
		"n": int64(1)<<53 + 1, "f": 1.5, "s": "x", "b": true, "z": nil,
		"deep": []any{map[string]any{"n": int64(-1) << 63}},
		"long": json.Number("0.1000000000000000055511151231257827"), "huge": json.Number("1e999"),
	}
	stored, err := json.Marshal(Session{ID: "1", Claims: claims})
	if err != nil {
		t.Fatal(err)
	}
	var got Session
	if err := json.Unmarshal(stored, &got); err != nil {
		t.Fatal(err)
	}
	if got.ID != "1" || !reflect.DeepEqual(got.Claims, claims) {
		t.Fatalf("stored as %s, read as %#v", stored, got.Claims)
	}
}
