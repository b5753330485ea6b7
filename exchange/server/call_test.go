package server

import (
	"bytes"
	"net/http"
	"reflect"
	"testing"

	"cambio/exchange"
	"cambio/exchange/grant"
)

// TestCallForgets: a call that waits for its next request holds nothing of
// the last one, in its fields or in the room of its bodies.
func TestCallForgets(t *testing.T) {
	c := &call{
		r: &http.Request{}, id: "id", origin: "https://app.example", params: parameters{clientSecret: "secret"},
		req:    grant.Request{SubjectToken: "token", Trail: grant.Trail{Subject: "alice"}},
		proven: true, vouched: true, bearer: true, tried: true, status: http.StatusTeapot,
		in: append(make([]byte, 0, 64), "subject_token=secret"...), out: append(make([]byte, 0, 64), `{"access_token":"secret"}`...),
	}
	c.checks[0] = exchange.Check{Got: "alice"}
	c.req.Trail.Checks = c.checks[:1]
	in, out := c.in, c.out
	c.forget()
	if !bytes.Equal(in, make([]byte, len(in))) || !bytes.Equal(out, make([]byte, len(out))) {
		t.Errorf("bodies are %q and %q", in, out)
	}
	if want := (call{in: in[:0], out: out[:0]}); !reflect.DeepEqual(*c, want) {
		t.Errorf("call is %+v", *c)
	}
}
