package exchange

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cambio/jwks/strictjson"
)

// DetailType declares a type of authorization_details (RFC 9396 §2.1).
type DetailType struct {
	// Type is the value of the member type: 1 to 255 bytes, a word or a URL. The
	// type checkout is built in.
	Type string `json:"type" yaml:"type"`
	// Schema is the JSON Schema (2020-12) of a detail. Members that it does not
	// name are refused, at every depth, unless it has additionalProperties or
	// unevaluatedProperties. It may leave out the member type.
	Schema map[string]any `json:"schema" yaml:"schema"`
	// Scope is the scope that a token needs for the type.
	Scope string `json:"scope" yaml:"scope"`
}

// DetailKind is a compiled type of authorization_details.
type DetailKind struct {
	Type   *DetailType
	Schema DetailSchema
}

// DetailSchema is the compiled schema of a type. It is pure and safe for
// concurrent use; package details implements it.
type DetailSchema interface {
	// Check returns an error if a detail is not valid. Its numbers are json.Number.
	Check(detail map[string]any) error
}

// Limits of authorization_details, which become part of a token and so of HTTP
// headers. They are nested at most 16 deep.
const (
	maxDetailsBytes = 4 << 10
	maxDetails      = 16
	maxNumberBytes  = 32
)

// detail is an element of authorization_details.
type detail struct {
	typ     string
	members map[string]any
	text    string // canonical JSON of members
}

// details grants authorization_details. If had is not empty, requested details
// must be elements of it (RFC 9396 §6), and a request for none keeps all of it;
// otherwise they must be of types that scopes permit. In both cases the client
// must still have every type: details limit a token, so dropping one that is no
// longer valid would widen it.
func (d *decider) details(requested Requested, had json.RawMessage, scopes []string) {
	if d.Refused() || len(requested.Details) == 0 && len(had) == 0 {
		return
	}
	granted, err := d.grantDetails(requested, had, scopes)
	c := Check{
		Name: "authorization_details", Want: "elements of types that may be asked for", Got: string(requested.Details),
		Passed: err == nil, Reason: ReasonAuthorizationDetailsInvalid,
	}
	if len(had) > 0 {
		c.Want = Clip(string(had))
	}
	if err != nil {
		c.Got = err.Error()
	}
	if d.Check(c) {
		d.out.Details = granted
	}
}

func (d *decider) grantDetails(requested Requested, had json.RawMessage, scopes []string) (json.RawMessage, error) {
	have, err := readDetails(had)
	if err != nil {
		return nil, fmt.Errorf("reading the granted details: %w", err)
	}
	want := have
	if len(requested.Details) > 0 {
		if want, err = readDetails(requested.Details); err != nil {
			return nil, err
		}
	}
	for _, w := range want {
		kind, err := d.detailKind(w, requested.Types)
		switch {
		case len(have) > 0 && !slices.ContainsFunc(have, func(h detail) bool { return h.text == w.text }):
			return nil, fmt.Errorf("the token does not have %s", w.text)
		case err != nil:
			return nil, err
		case len(have) == 0 && !slices.Contains(scopes, kind.Type.Scope):
			return nil, fmt.Errorf("type %s needs the scope %s", Quote(w.typ), kind.Type.Scope)
		}
	}
	return formatDetails(want), nil
}

// detailKind returns the type of a detail, if the client has it today and the
// detail is valid.
func (d *decider) detailKind(w detail, types func(string) *DetailKind) (*DetailKind, error) {
	var kind *DetailKind
	if types != nil {
		kind = types(w.typ)
	}
	switch {
	case w.typ == DetailCheckout:
		return nil, errors.New("a detail of type checkout is granted only in exchange for the client's own access token")
	case !slices.Contains(d.client.DetailTypes, w.typ):
		return nil, fmt.Errorf("the client has no type %s", Quote(w.typ))
	case kind == nil:
		return nil, fmt.Errorf("no type %s is registered", Quote(w.typ))
	}
	if err := kind.Schema.Check(w.members); err != nil {
		return nil, fmt.Errorf("%s: %w", Quote(w.typ), err)
	}
	return kind, nil
}

// formatDetails returns the canonical array of details.
func formatDetails(list []detail) json.RawMessage {
	texts := make([]string, len(list))
	for i, e := range list {
		texts[i] = e.text
	}
	return json.RawMessage("[" + strings.Join(texts, ",") + "]")
}

// readDetails reads authorization_details (RFC 9396 §2): a JSON array of
// objects, each with a type. What a resource server reads from the token must be
// what was decided about here, so JSON that decoders disagree about is refused. It
// returns nil for an empty text and an error for an empty array.
func readDetails(text json.RawMessage) ([]detail, error) {
	switch {
	case len(text) == 0:
		return nil, nil
	case len(text) > maxDetailsBytes:
		return nil, fmt.Errorf("more than %d bytes", maxDetailsBytes)
	}
	r := strictjson.New(string(text), strictjson.Options{AllowNUL: true, Number: detailNumber})
	var out []detail
	for i := range r.Array() {
		if i == maxDetails {
			r.Fail(fmt.Errorf("more than %d elements", maxDetails))
			continue
		}
		e, err := newDetail(r.Map())
		if err != nil {
			r.Fail(fmt.Errorf("element %d: %w", i, err))
		}
		out = append(out, e)
	}
	switch err := r.End(); {
	case err != nil:
		return nil, err
	case len(out) == 0:
		return nil, errors.New("an empty array")
	}
	return out, nil
}

func newDetail(members map[string]any) (detail, error) {
	typ, ok := members["type"].(string)
	if !ok {
		return detail{}, errors.New("has no type")
	}
	text, err := json.Marshal(members) // sorted by name
	return detail{typ, members, string(text)}, err
}

// detailNumber refuses numbers with an exponent or too many digits: a few bytes
// could stand for a number that needs all memory.
func detailNumber(text string) (any, error) {
	if len(text) > maxNumberBytes || strings.ContainsAny(text, "eE") {
		return nil, fmt.Errorf("number %s has an exponent or more than %d digits", Clip(text), maxNumberBytes)
	}
	return json.Number(text), nil
}
