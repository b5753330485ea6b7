package server

import (
	"encoding/base64"
	"encoding/json"
	"testing"
)

// FuzzAssertion: what a backend says in a body that is accepted, its assertion
// says, and nothing else.
func FuzzAssertion(f *testing.F) {
	f.Add(`{"id":"u-1","email":"u@example.com","emailVerified":true,"name":"\u00dc <1>"}`)
	f.Add(`{"id":"\ud83d\ude00\"\\\u0001","email":null,"emailVerified":false,"name":"a\"b"}`)
	f.Fuzz(func(t *testing.T, body string) {
		var a assertion
		err := object([]byte(body), member{name: "id", into: &a.id, required: true}, member{name: "email", into: &a.email},
			member{name: "emailVerified", flag: &a.emailVerified}, member{name: "name", into: &a.name})
		if err != nil {
			return
		}
		raw, err := base64.RawURLEncoding.Strict().DecodeString(a.token())
		if err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		var all map[string]any
		if err := json.Unmarshal(raw, &all); err != nil {
			t.Fatalf("%q became %s: %v", body, raw, err)
		}
		said := func(name string) string { s, _ := all[name].(string); return s }
		verified, _ := all["emailVerified"].(bool)
		got := assertion{said("externalUserId"), said("email"), said("name"), verified}
		if got != a || len(all) > 4 {
			t.Errorf("%q became %s", body, raw)
		}
	})
}
