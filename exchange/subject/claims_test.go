package subject

import (
	"encoding/json"
	"reflect"
	"testing"
)

// FuzzClaimsSurviveStorage: claims that a session stores as JSON and reads again at
// a refresh are the same.
func FuzzClaimsSurviveStorage(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"iss":"https://a","aud":["x","y"],"exp":1700000000,"n":-1.5e3}`, `{"a":"\ud83d\ude00\u0000"}`,
		`{"a":{"b":[true,false,null,{}]}}`, `{"a":9007199254740993}`, `{"a":1e15,"b":0.1,"c":1e-7}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		claims, err := parseObject(payload, claimRules)
		if err != nil {
			if claims != nil {
				t.Fatalf("error %v with claims %v", err, claims)
			}
			return
		}
		stored, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := parseObject(string(stored), claimRules); err != nil || !reflect.DeepEqual(again, claims) {
			t.Fatalf("stored as %s: got %#v, %v, want %#v", stored, again, err, claims)
		}
	})
}
