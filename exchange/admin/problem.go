package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"cambio/exchange"
	"cambio/storage"
)

// refusal is an error whose text is for the caller.
type refusal struct {
	status   int
	detail   string
	problems []exchange.Problem
}

func (e *refusal) Error() string { return e.detail }

// invalid is a refusal of registrations, with all that is wrong with them.
func invalid(problems []exchange.Problem) error {
	return &refusal{http.StatusUnprocessableEntity, "the registration is not valid; nothing was changed", problems}
}

func notFound(kind, id string) error {
	return &refusal{status: http.StatusNotFound, detail: fmt.Sprintf("no %s has the ID %s", kind, exchange.Quote(id))}
}

// missing says which thing it is that the store does not have.
func missing(err error, kind, id string) error {
	if errors.Is(err, storage.ErrNotFound) {
		return notFound(kind, id)
	}
	return err
}

// problem turns an error into what the caller reads. An operator is told what
// is missing or wrong, and of anything else only that the log says more.
func (a *api) problem(ctx context.Context, operation string, err error) error {
	if e, ok := errors.AsType[*refusal](err); ok {
		return e.model()
	}
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return huma.Error404NotFound(err.Error())
	case errors.Is(err, storage.ErrConflict):
		return huma.Error409Conflict("something else was changed meanwhile; nothing was changed, try again")
	case errors.Is(err, storage.ErrFull):
		return huma.Error503ServiceUnavailable("the disk is full; nothing was changed")
	}
	a.log.ErrorContext(ctx, "admin API", "operation", operation, "error", err)
	return huma.Error500InternalServerError("internal error; the server's log says more")
}

func (e *refusal) model() error {
	m := &huma.ErrorModel{Status: e.status, Title: http.StatusText(e.status), Detail: e.detail}
	for _, p := range e.problems {
		m.Errors = append(m.Errors, &huma.ErrorDetail{Location: p.Path, Message: p.Message})
	}
	return m
}

// quiet takes values out of the library's own errors, which repeat what was
// sent, secrets too, and makes their locations our paths.
func quiet(_ huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	for _, e := range m.Errors {
		e.Value = nil
		if rest, ok := strings.CutPrefix(e.Location, "body"); ok {
			e.Location = "$" + rest
		}
	}
	return m, nil
}

// unmarshal is json.Unmarshal that refuses an object that says a thing twice:
// of two lists of issuers, one would be dropped silently.
func unmarshal(data []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := once(dec, 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return json.Unmarshal(data, v)
}

// deepest is how far objects and arrays may be nested. A manifest has five
// levels; the stack of a goroutine has an end, and with it the process.
const deepest = 16

// once reads one value, of which it is depth levels down, and refuses repeated
// names in it.
func once(dec *json.Decoder, depth int) error {
	t, err := dec.Token()
	if err != nil {
		return err
	}
	if t != json.Delim('{') && t != json.Delim('[') {
		return nil
	}
	if depth == deepest {
		return fmt.Errorf("nested more than %d deep", deepest)
	}
	names := map[string]bool{}
	for dec.More() {
		if t == json.Delim('{') {
			name, err := dec.Token()
			if err != nil {
				return err
			}
			n, _ := name.(string)
			if names[n] {
				return fmt.Errorf("name %s is repeated", exchange.Quote(n))
			}
			names[n] = true
		}
		if err := once(dec, depth+1); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}
