package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"cambio/exchange"
	"cambio/exchange/server/form"
	"cambio/jwks/strictjson"
)

// maxBody bounds a request body, in bytes, where no issuer is registered for larger
// tokens than usual.
const maxBody = 64 << 10

// maxBody is the bound with room for a subject token and an actor token of the
// largest size: 160 KiB at most.
func (r *Request) maxBody() int {
	return maxBody + 2*(r.clients.TokenSize()-exchange.DefaultMaxTokenSize)
}

func tooLarge(most int) error {
	return exchange.Refuse(exchange.ReasonRequestTooLarge, fmt.Errorf("the body has more than %d bytes", most))
}

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
func (r *Request) readBody() error {
	h, media := r.http, r.endpoint.Caller.media()
	if h.URL.RawQuery != "" || h.URL.ForceQuery {
		return &exchange.Error{
			Reason: exchange.ReasonRequestMalformed, Description: "parameters belong in the body, not in the query",
			Err: fmt.Errorf("the query has %s", exchange.Quote(strings.Join(slices.Sorted(maps.Keys(h.URL.Query())), " "))),
		}
	}
	if !hasType(h.Header["Content-Type"], media) || len(h.Header["Content-Encoding"]) > 0 {
		return &exchange.Error{
			Reason: exchange.ReasonMediaTypeNotSupported, Description: fmt.Sprintf("the body must be %s, not encoded further", media),
			Err: fmt.Errorf("Content-Type is %s, Content-Encoding %s; want %s", exchange.Quote(strings.Join(h.Header["Content-Type"], ", ")),
				exchange.Quote(strings.Join(h.Header["Content-Encoding"], ", ")), media),
		}
	}
	if most := r.maxBody(); h.ContentLength > int64(most) {
		return tooLarge(most)
	}
	intake := &r.server.intake
	r.counted = true
	if !intake.Begin(&r.reading, r.stopReading) {
		return intakeFull()
	}
	err := r.fill(h.Body)
	if intake.Arrived(&r.reading) {
		return intakeFull()
	}
	return err
}

func intakeFull() error {
	return exchange.Refuse(exchange.ReasonOverloaded, errors.New("the requests that are being read take too much memory"))
}

// stopReading makes the body fail. Where that is not supported, its time limit ends
// it.
func (r *Request) stopReading() {
	_ = http.NewResponseController(r.w).SetReadDeadline(time.Unix(1, 0))
}

// MakeRoom ends the oldest request whose body has not arrived, and reports whether
// there was one. Its connection is free once the refusal was sent.
func (s *Server) MakeRoom() bool { return s.intake.MakeRoom() }

// fill reads the body into a buffer that grows with what arrives: the length that
// the header announces costs its sender nothing.
func (r *Request) fill(body io.Reader) error {
	most := r.maxBody()
	for {
		if err := r.makeRoom(); err != nil {
			return err
		}
		n, err := body.Read(r.in[len(r.in):cap(r.in)])
		r.in = r.in[:len(r.in)+n]
		switch {
		case len(r.in) > most:
			return tooLarge(most)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return malformed("the body could not be read")
		}
	}
}

// makeRoom doubles a full buffer, up to one byte more than a body may have, which
// finds the end.
func (r *Request) makeRoom() error {
	if len(r.in) < cap(r.in) {
		return nil
	}
	size := min(2*cap(r.in), r.maxBody()+1)
	if !r.server.intake.Take(&r.reading, size-cap(r.in)) {
		return intakeFull()
	}
	grown := make([]byte, len(r.in), size)
	copy(grown, r.in)
	r.in = grown
	return nil
}

// hasType reports whether the one Content-Type is media, with any parameters:
// text that is not UTF-8 is refused by its bytes, not by its label.
func hasType(values []string, media string) bool {
	if len(values) != 1 {
		return false
	}
	got, _, err := mime.ParseMediaType(values[0])
	return err == nil && got == media
}

// Member is a member of a JSON body and where its value goes. A member that is
// absent, or null, changes nothing.
type Member struct {
	Name     string
	Into     *string
	Flag     *bool // instead of Into, for true and false, also as strings
	Number   bool  // Into accepts a whole number, too, in the range that every sender keeps exact
	List     bool  // Into accepts a list of strings, too, which it gets joined by spaces
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
	case m.Flag != nil && r.Kind() == '"':
		text := r.String()
		if *m.Flag = text == "true"; text != "true" && text != "false" {
			r.Fail(Refused(exchange.ReasonParameterInvalid, "%s is neither true nor false", m.Name))
		}
	case m.Flag != nil:
		*m.Flag = r.Bool()
	case m.Number && r.Kind() == '0':
		*m.Into = r.NumberText()
		if n, err := strconv.ParseUint(*m.Into, 10, 64); err != nil || n >= 1<<53 { // JavaScript rounds larger ones
			r.Fail(Refused(exchange.ReasonParameterInvalid, "%s is not a whole number below 2^53; write a string", m.Name))
		}
	case m.List && r.Kind() == '[':
		var words []string
		for range r.Array() {
			words = append(words, r.String())
		}
		*m.Into = strings.Join(words, " ")
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

// Form are the parameters of a form that do not belong to the token request.
type Form struct {
	Token string // RFC 7009 §2.1, RFC 7662 §2.1

	clientID      string
	clientSecret  string
	assertion     string // client_assertion (RFC 7521 §4.2)
	assertionType string

	identity [][]byte // names and values of the parameters, see [Request.identity]
}

// readForm reads the body as a form. A parameter without a value is as if it were
// absent, unknown ones are ignored (RFC 6749 §3.2).
func (r *Request) readForm() error {
	var f form.Form
	if err := f.Parse(r.in); err != nil {
		return err
	}
	for _, p := range f.Parameters() {
		if p.Value == "" {
			continue
		}
		r.identify(p)
		if into := r.field(p.Name); into != nil {
			*into = p.Value
			continue
		}
		if err := r.readList(p); err != nil {
			return err
		}
	}
	return nil
}

// identify makes a parameter part of the request's identity, where that is needed.
func (r *Request) identify(p form.Parameter) {
	switch p.Name {
	case "client_secret", "client_assertion", "client_assertion_type":
	default:
		if r.HasKey() {
			r.form.identity = append(r.form.identity, []byte(p.Name), []byte(p.Value))
		}
	}
}

// field returns where the value of a parameter goes that is one text.
func (r *Request) field(name string) *string {
	switch name {
	case "grant_type":
		return &r.Token.GrantType
	case "client_id":
		return &r.form.clientID
	case "client_secret":
		return &r.form.clientSecret
	case "client_assertion":
		return &r.form.assertion
	case "client_assertion_type":
		return &r.form.assertionType
	case "subject_token":
		return &r.Token.SubjectToken
	case "subject_token_type":
		return &r.Token.SubjectTokenType
	case "actor_token":
		return &r.Token.ActorToken
	case "actor_token_type":
		return &r.Token.ActorTokenType
	case "requested_token_type":
		return &r.Token.RequestedTokenType
	case "issuer_id":
		return &r.Token.IssuerID
	case "nonce":
		return &r.Token.Nonce
	case "request_id":
		return &r.Token.RequestID
	case "code_verifier":
		return &r.Token.CodeVerifier
	case "refresh_token":
		return &r.Token.RefreshToken
	case "assertion":
		return &r.Token.Assertion
	case "token":
		return &r.form.Token
	}
	return nil
}

// readList reads a parameter that is more than one text.
func (r *Request) readList(p form.Parameter) (err error) {
	t := &r.Token
	switch p.Name {
	case "scope":
		t.Scopes, err = Scopes(p.Value)
	case "audience":
		t.Audiences = append(t.Audiences, p.Value)
	case "resource":
		t.Resources = append(t.Resources, p.Value)
	case "authorization_details":
		t.Details, err = details(p.Value)
	}
	return err
}

// Scopes splits a scope (RFC 6749 §3.3).
func Scopes(s string) ([]string, error) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return nil, Refused(exchange.ReasonScopeNotAllowed, "the scope has a character that is not allowed in one")
		}
	}
	return strings.Fields(s), nil
}

// details accepts authorization_details (RFC 9396 §2) that are JSON; the decision
// validates their content.
func details(s string) (json.RawMessage, error) {
	if !strings.HasPrefix(s, "[") || !json.Valid([]byte(s)) {
		return nil, Refused(exchange.ReasonAuthorizationDetailsInvalid, "authorization_details is not a JSON array")
	}
	return json.RawMessage(s), nil
}
