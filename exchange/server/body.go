package server

import (
	"errors"
	"io"
	"mime"
	"slices"

	"cambio/exchange"
)

// maxBody bounds a request body, in bytes.
const maxBody = 64 << 10

// Media types of request bodies.
const (
	formType = "application/x-www-form-urlencoded"
	jsonType = "application/json"
)

// Body is the body of a request, for an endpoint to read.
type Body struct {
	Text []byte // JSON, see [Body.Members]
	Form *Form  // nil where the body is JSON
}

// body returns the body, with the form parsed if it is one.
func (r *Request) body() (Body, error) {
	if r.endpoint.Caller != FormClient {
		return Body{Text: r.in}, nil
	}
	return Body{Form: &r.form}, r.readForm()
}

// readBody reads the body. Nothing may be in the query, which ends up in logs and
// histories.
func (r *Request) readBody(media string) error {
	h := r.http
	if h.URL.RawQuery != "" || h.URL.ForceQuery {
		return malformed("parameters belong in the body, not in the query")
	}
	if !hasType(h.Header["Content-Type"], media) || len(h.Header["Content-Encoding"]) > 0 {
		return Refused(exchange.ReasonMediaTypeNotSupported, "the body must be %s, not encoded further", media)
	}
	if h.ContentLength > maxBody {
		return exchange.Refuse(exchange.ReasonRequestTooLarge, nil)
	}
	if n := int(h.ContentLength); n >= cap(r.in) { // one byte more finds the end
		r.in = make([]byte, 0, n+1)
	}
	return r.fill(h.Body)
}

func (r *Request) fill(body io.Reader) error {
	for {
		if len(r.in) == cap(r.in) {
			r.in = slices.Grow(r.in, 1)
		}
		n, err := body.Read(r.in[len(r.in):cap(r.in)])
		r.in = r.in[:len(r.in)+n]
		switch {
		case len(r.in) > maxBody:
			return exchange.Refuse(exchange.ReasonRequestTooLarge, nil)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return malformed("the body could not be read")
		}
	}
}

// hasType reports whether the one Content-Type is media, with any parameters:
// text that is not UTF-8 is refused by its bytes, not by its label.
func hasType(values []string, media string) bool {
	if len(values) != 1 {
		return false
	}
	if values[0] == media {
		return true
	}
	got, _, err := mime.ParseMediaType(values[0])
	return err == nil && got == media
}
