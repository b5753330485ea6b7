package server

import (
	"bytes"
	"net/http"
	"net/http/httptest"
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

// TestSendSaysTheLength: no answer comes in chunks, however long it is, and HEAD
// says the length that GET has.
func TestSendSaysTheLength(t *testing.T) {
	var size int
	ours := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		(&Server{}).send(&call{w: w, r: r, status: http.StatusOK, media: jsonMedia, out: make([]byte, size)})
	}))
	defer ours.Close()
	for _, size = range []int{0, 1, 2<<10 - 1, 2 << 10, 2<<10 + 1, 64 << 10} {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
			r, err := http.NewRequest(method, ours.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := ours.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.ContentLength != int64(size) {
				t.Errorf("%s of %d bytes: Content-Length %d", method, size, res.ContentLength)
			}
		}
	}
}
