package server

import (
	"errors"
	"io"
	"mime"
	"slices"

	"cambio/exchange"
)

// Media types of request bodies.
const (
	formType = "application/x-www-form-urlencoded"
	jsonType = "application/json"
)

// attempt lets h answer a request with a body, as an attempt that may count
// against the caller's address. The body is read before there is a place in
// flight, so that who sends slowly takes none; event names the decision.
func (s *Server) attempt(event, media string, h handler) handler {
	return func(c *call) error {
		wait, ok := s.cfg.Limits.Allow(c.addr, c.now)
		if !ok {
			return &exchange.Error{Reason: exchange.ReasonTooManyFailures, RetryAfter: wait}
		}
		c.tried = true
		if err := c.readBody(media); err != nil {
			return err
		}
		if media == jsonType { // the RFCs' endpoints have retries of their own
			if err := c.readIdempotencyKey(); err != nil {
				return err
			}
		}
		if err := s.gate.enter(c.ctx()); err != nil {
			return err
		}
		defer s.gate.leave()
		c.event.Name = event
		err := h(c)
		if c.repeat.answer != nil {
			c.answerAgain()
			return nil
		}
		return err
	}
}

// readBody reads the body into c.in. Nothing may be in the query: it ends up
// in logs and histories.
func (c *call) readBody(media string) error {
	if c.r.URL.RawQuery != "" || c.r.URL.ForceQuery {
		return malformed("parameters belong in the body, not in the query")
	}
	if !hasType(c.r.Header["Content-Type"], media) || len(c.r.Header["Content-Encoding"]) > 0 {
		return refused(exchange.ReasonMediaTypeNotSupported, "the body must be %s, not encoded further", media)
	}
	if c.r.ContentLength > maxBody {
		return exchange.Refuse(exchange.ReasonRequestTooLarge, nil)
	}
	if n := int(c.r.ContentLength); n >= cap(c.in) { // one byte more finds the end
		c.in = make([]byte, 0, n+1)
	}
	return c.fill(c.r.Body)
}

func (c *call) fill(body io.Reader) error {
	for {
		if len(c.in) == cap(c.in) {
			c.in = slices.Grow(c.in, 1)
		}
		n, err := body.Read(c.in[len(c.in):cap(c.in)])
		c.in = c.in[:len(c.in)+n]
		switch {
		case len(c.in) > maxBody:
			return exchange.Refuse(exchange.ReasonRequestTooLarge, nil)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return malformed("the body could not be read")
		}
	}
}

// hasType says whether the one Content-Type is media, with whatever parameters:
// what is not UTF-8 is refused by its bytes, not by its label.
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
