package server

import (
	"errors"
	"io"
	"mime"
	"slices"

	"cambio/exchange"
	"cambio/jwks/strictjson"
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

// Member is a member of a JSON body and where its value goes. A member that is
// absent, or null, changes nothing.
type Member struct {
	Name     string
	Into     *string
	Flag     *bool // instead of Into, for true and false
	Number   bool  // Into accepts a whole number, too
	Required bool  // Into must not stay empty
	Ignored  bool  // any value is accepted and goes nowhere
}

// Members reads a body that is one object with these members and no others
// (RFC 8259 §4), under the rules of package strictjson.
func (b Body) Members(members ...Member) error {
	// What nests in an ignored member belongs to another system.
	r := strictjson.New(string(b.Text), strictjson.Options{MaxDepth: 17, ShallowDuplicates: true})
	if r.Err() == nil && r.Kind() != '{' {
		return malformed("the body is not a JSON object")
	}
	for name := range r.Object() {
		if m := find(members, name); m == nil {
			r.Fail(Refused(exchange.ReasonParameterInvalid, "member %s is not known here", exchange.Quote(name)))
		} else if !r.Null() {
			m.read(&r)
		}
	}
	if err := r.End(); err != nil {
		return refusedBody(err, members)
	}
	for _, m := range members {
		if m.Required && m.Into != nil && *m.Into == "" {
			return Refused(exchange.ReasonParameterMissing, "%s is missing", m.Name)
		}
	}
	return nil
}

func find(members []Member, name string) *Member {
	for i := range members {
		if members[i].Name == name {
			return &members[i]
		}
	}
	return nil
}

// read reads the value of the member; the loop of Members skips what is ignored.
func (m *Member) read(r *strictjson.Reader) {
	switch {
	case m.Ignored:
	case m.Flag != nil:
		*m.Flag = r.Bool()
	case m.Number && r.Kind() == '0':
		*m.Into = r.NumberText()
		for i := range len(*m.Into) {
			if c := (*m.Into)[i]; c < '0' || c > '9' {
				r.Fail(Refused(exchange.ReasonParameterInvalid, "%s is not a whole number", m.Name))
			}
		}
	default:
		*m.Into = r.String()
	}
}

// refusedBody returns the refusal of a body that could not be read.
func refusedBody(err error, members []Member) error {
	e, ok := errors.AsType[*strictjson.Error](err)
	if !ok {
		return err
	}
	switch m := find(members, e.Name); {
	case e.Kind == strictjson.ErrTrailing:
		return malformed("the body has something after the JSON object")
	case m == nil && e.Kind == strictjson.ErrUTF8:
		return malformed("the body is not UTF-8")
	case m == nil:
		return malformed("the body is not correct JSON")
	case e.Kind == strictjson.ErrDuplicate:
		return Refused(exchange.ReasonParameterRepeated, "member %s is repeated", m.Name)
	case e.Kind == strictjson.ErrType && m.Flag != nil:
		return Refused(exchange.ReasonParameterInvalid, "%s is neither true nor false", m.Name)
	case e.Kind == strictjson.ErrType:
		return Refused(exchange.ReasonParameterInvalid, "%s is not a string", m.Name)
	default:
		return malformed("the body is not correct JSON, at or after %s", m.Name)
	}
}
