package exchange

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// DetailType declares a type of authorization_details (RFC 9396 §2.1).
type DetailType struct {
	// Type is what details of the type say in their member type: 1 to 255 bytes,
	// a word or a URL. The type checkout is built in.
	Type string `json:"type" yaml:"type"`
	// Schema is the JSON Schema (2020-12) of a detail. Members that it does not
	// name are refused, at every depth, unless it says additionalProperties or
	// unevaluatedProperties itself. The member type need not be in it.
	Schema map[string]any `json:"schema" yaml:"schema"`
	// Scope is what a token must have for its bearer to ask for the type.
	Scope string `json:"scope" yaml:"scope"`
}

// DetailKind is a type of authorization_details made ready.
type DetailKind struct {
	Type   *DetailType
	Schema DetailSchema
}

// DetailSchema is a type's schema, compiled. It is pure and safe for concurrent
// use; package details makes it.
type DetailSchema interface {
	// Check says why a detail is none of the type. Its numbers are json.Number.
	Check(detail map[string]any) error
}

// Bounds of authorization_details: they become part of a token, and tokens go
// into headers.
const (
	mostDetailBytes  = 4 << 10
	mostDetails      = 16
	deepestDetail    = 16
	longestJSONDigit = 32 // bytes of a number
)

// detail is an element of authorization_details.
type detail struct {
	typ     string
	members map[string]any
	text    string // the one spelling of members
}

// details grants authorization_details. Those that were asked for must be
// elements of had if there are any (RFC 9396 §6), else of types that somebody
// with scopes may ask for; if none were, all of had stay. Whatever is granted,
// the client must have the type today: details limit what a token is for, so
// that dropping one which no longer holds would widen it.
func (d *decider) details(ask Requested, had json.RawMessage, scopes []string) {
	if d.Refused() || len(ask.Details) == 0 && len(had) == 0 {
		return
	}
	granted, err := d.grantable(ask, had, scopes)
	c := Check{
		Name: "authorization_details", Want: "elements of types that may be asked for", Got: string(ask.Details),
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

func (d *decider) grantable(ask Requested, had json.RawMessage, scopes []string) (json.RawMessage, error) {
	have, err := readDetails(had)
	if err != nil {
		return nil, fmt.Errorf("reading what was granted: %w", err)
	}
	want := have
	if len(ask.Details) > 0 {
		if want, err = readDetails(ask.Details); err != nil {
			return nil, err
		}
	}
	for _, w := range want {
		switch {
		case len(have) > 0 && !among(have, w):
			return nil, fmt.Errorf("%s is not what the token has", w.text)
		case len(have) > 0:
			err = d.mayHave(w, ask.Types)
		default:
			err = d.mayAsk(w, ask.Types, scopes)
		}
		if err != nil {
			return nil, err
		}
	}
	return detailsText(want), nil
}

// mayHave asks whether a detail is of a type that the client has today.
func (d *decider) mayHave(w detail, types func(string) *DetailKind) error {
	var kind *DetailKind
	if types != nil {
		kind = types(w.typ)
	}
	switch {
	case w.typ == DetailCheckout:
		return errors.New("a detail of type checkout is had only by exchanging the client's own access token")
	case !contains(d.client.DetailTypes, w.typ):
		return fmt.Errorf("the client has no type %s", Quote(w.typ))
	case kind == nil:
		return fmt.Errorf("no type %s is registered", Quote(w.typ))
	}
	if err := kind.Schema.Check(w.members); err != nil {
		return fmt.Errorf("%s: %w", Quote(w.typ), err)
	}
	return nil
}

// mayAsk asks besides whether scopes let somebody ask for a detail.
func (d *decider) mayAsk(w detail, types func(string) *DetailKind, scopes []string) error {
	if err := d.mayHave(w, types); err != nil {
		return err
	}
	if scope := types(w.typ).Type.Scope; !contains(scopes, scope) {
		return fmt.Errorf("type %s needs the scope %s", Quote(w.typ), scope)
	}
	return nil
}

func among(list []detail, w detail) bool {
	for _, have := range list {
		if have.text == w.text {
			return true
		}
	}
	return false
}

// detailsText is the one spelling of an array of details.
func detailsText(list []detail) json.RawMessage {
	texts := make([]string, len(list))
	for i, e := range list {
		texts[i] = e.text
	}
	return json.RawMessage("[" + strings.Join(texts, ",") + "]")
}

// readDetails reads authorization_details (RFC 9396 §2): a JSON array of
// objects, each with a type. Whoever reads them from a token must read what was
// judged here, so that what decoders disagree about is refused: repeated
// names, bytes that are not UTF-8, lone surrogates, numbers that not all can
// hold. Nothing is nothing, an empty array is an error.
func readDetails(text json.RawMessage) ([]detail, error) {
	switch {
	case len(text) == 0:
		return nil, nil
	case len(text) > mostDetailBytes:
		return nil, fmt.Errorf("more than %d bytes", mostDetailBytes)
	case !utf8.Valid(text) || !json.Valid(text):
		return nil, errors.New("not JSON")
	}
	r := detailReader{json.NewDecoder(bytes.NewReader(text))}
	r.UseNumber()
	v, err := r.value(0)
	if err != nil {
		return nil, err
	}
	array, ok := v.([]any)
	switch {
	case !ok:
		return nil, errors.New("not a JSON array")
	case len(array) == 0:
		return nil, errors.New("an empty array")
	case len(array) > mostDetails:
		return nil, fmt.Errorf("more than %d elements", mostDetails)
	}
	out := make([]detail, len(array))
	for i, element := range array {
		if out[i], err = newDetail(element); err != nil {
			return nil, fmt.Errorf("element %d: %w", i, err)
		}
	}
	return out, nil
}

func newDetail(element any) (detail, error) {
	members, ok := element.(map[string]any)
	if !ok {
		return detail{}, errors.New("not an object")
	}
	typ, ok := members["type"].(string)
	if !ok {
		return detail{}, errors.New("has no type")
	}
	text, err := json.Marshal(members) // in the order of the names
	return detail{typ, members, string(text)}, err
}

// detailReader reads JSON that is known to be valid.
type detailReader struct{ *json.Decoder }

func (r detailReader) value(depth int) (any, error) {
	t, err := r.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Delim:
		if depth == deepestDetail {
			return nil, fmt.Errorf("nested more than %d deep", deepestDetail)
		}
		if t == '[' {
			return r.array(depth + 1)
		}
		return r.object(depth + 1)
	case string:
		return t, onlyCharacters(t)
	case json.Number:
		return t, plainNumber(t)
	default:
		return t, nil
	}
}

func (r detailReader) array(depth int) (any, error) {
	out := []any{}
	for r.More() {
		v, err := r.value(depth)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	_, err := r.Token()
	return out, err
}

func (r detailReader) object(depth int) (any, error) {
	out := map[string]any{}
	for r.More() {
		t, err := r.Token()
		if err != nil {
			return nil, err
		}
		name, _ := t.(string)
		if _, again := out[name]; again {
			return nil, fmt.Errorf("member %s is repeated", Quote(name))
		}
		if err := onlyCharacters(name); err != nil {
			return nil, err
		}
		if out[name], err = r.value(depth); err != nil {
			return nil, err
		}
	}
	_, err := r.Token()
	return out, err
}

// onlyCharacters refuses U+FFFD, which decoders put where there was none.
func onlyCharacters(s string) error {
	if strings.ContainsRune(s, utf8.RuneError) {
		return errors.New("a string has a lone surrogate or U+FFFD")
	}
	return nil
}

// plainNumber refuses numbers that are written with an exponent or with more
// digits than anybody counts with: a few bytes could mean a number that takes
// all memory.
func plainNumber(n json.Number) error {
	if len(n) > longestJSONDigit || strings.ContainsAny(n.String(), "eE") {
		return fmt.Errorf("number %s has an exponent or more than %d digits", Clip(n.String()), longestJSONDigit)
	}
	return nil
}
