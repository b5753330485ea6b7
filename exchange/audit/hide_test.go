package audit

import (
	"strings"
	"testing"
)

func TestHideReplacesSecretsOnly(t *testing.T) {
	const (
		session = "01a1fb99-c4a8-7e2d-b3c8-f4baa62e1e05"
		mac     = "dtSbjHvZBbYMz5UQ4gMxxPNIfR_hKq3mFdwZqlHtV5c"
		jwt     = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0." + mac
	)
	for _, row := range []struct{ in, want string }{
		{jwt, hidden},
		{jwt[:30] + "…", hidden + "…"},
		{`want "x", got "` + jwt + `" there`, `want "x", got "` + hidden + `" there`},
		{"ssk_" + mac, hidden},
		{"the secret ssk_" + mac + ".", "the secret " + hidden + "."},
		{session + ".12." + mac, hidden},
		{session + ".1." + mac[:10] + "…", hidden + "…"},
		{`no "` + session + ".1." + mac + `"`, `no "` + hidden + `"`},

		{"ott_" + mac, hidden},
		{"request " + session + "." + mac[:22] + " and more", "request " + hidden + " and more"},
		{session + ".ABCDEFGHIJKLMNOPQRSTUVWXYZ", hidden},
		{session + ".3." + mac[:22], hidden},

		{"", ""},
		{"session " + session + ". It ended", "session " + session + ". It ended"},
		{"wallet/" + session + "/12", "wallet/" + session + "/12"},
		{"scott_and_friends", "scott_and_friends"},
		{session, session},
		{"generation 3 of session " + session + ", which is at 5", "generation 3 of session " + session + ", which is at 5"},
		{mac, mac}, // a thumbprint or a subject
		{"urn:ietf:params:oauth:token-type:id_token", "urn:ietf:params:oauth:token-type:id_token"},
		{"https://a.b.example.com/docs_folder", "https://a.b.example.com/docs_folder"},
		{"orders.ssk_read", "orders.ssk_read"},
		{"task_assignment", "task_assignment"},
	} {
		if got := hide(row.in); got != row.want {
			t.Errorf("hide(%q) = %q, want %q", row.in, got, row.want)
		}
		e := Event{Name: row.in, Client: row.in, Grant: row.in, Err: row.in}
		if row.in != row.want && strings.Contains(string(e.append(nil)), row.in) {
			t.Errorf("%q is in an event", row.in)
		}
	}
}
