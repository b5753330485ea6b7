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

// A pooled Request holds nothing of its last use, in its fields or in the capacity
// of its bodies.
func TestPooledRequestsAreEmpty(t *testing.T) {
	c := &Request{
		http: &http.Request{}, ID: "id", origin: "https://app.example", form: Form{clientSecret: "secret"},
		Token:  grant.Request{SubjectToken: "token", Trail: grant.Trail{Subject: "alice"}},
		Caller: Caller{Authenticated: true, AccessToken: "token"}, proved: true, countsFailure: true, status: http.StatusTeapot,
		in: append(make([]byte, 0, 64), "subject_token=secret"...), out: append(make([]byte, 0, 64), `{"access_token":"secret"}`...),
	}
	c.checks[0] = exchange.Check{Got: "alice"}
	c.Token.Trail.Checks = c.checks[:1]
	in, out := c.in, c.out
	c.release()
	if !bytes.Equal(in, make([]byte, len(in))) || !bytes.Equal(out, make([]byte, len(out))) {
		t.Errorf("bodies are %q and %q", in, out)
	}
	if want := (Request{in: in[:0], out: out[:0]}); !reflect.DeepEqual(*c, want) {
		t.Errorf("request is %+v", *c)
	}
}

// No response is chunked, however long it is, and HEAD states the length of GET.
func TestResponsesHaveALength(t *testing.T) {
	var size int
	test := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		(&Request{w: w, http: r, status: http.StatusOK, media: jsonMedia, out: make([]byte, size)}).send()
	}))
	defer test.Close()
	for _, size = range []int{0, 1, 2<<10 - 1, 2 << 10, 2<<10 + 1, 64 << 10} {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
			r, err := http.NewRequest(method, test.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := test.Client().Do(r)
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
