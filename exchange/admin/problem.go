package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"cambio/exchange"
	"cambio/exchange/users"
	"cambio/jwks/strictjson"
	"cambio/storage"
)

// refusal is an error whose text is for the caller.
type refusal struct {
	status   int
	detail   string
	problems []exchange.Problem
}

func (e *refusal) Error() string { return e.detail }

// invalid refuses registrations with all their problems.
func invalid(problems []exchange.Problem) error {
	return &refusal{http.StatusUnprocessableEntity, "the registration is not valid; nothing was changed", problems}
}

func notFound(kind, id string) error {
	return &refusal{status: http.StatusNotFound, detail: fmt.Sprintf("no %s has the ID %s", kind, exchange.Quote(id))}
}

// missing names the thing that the store does not have.
func missing(err error, kind, id string) error {
	if errors.Is(err, storage.ErrNotFound) {
		return notFound(kind, id)
	}
	return err
}

// problem turns an error into a response. The operator is told what is missing or
// wrong, and for any other error only to see the server's log.
func (a *api) problem(ctx context.Context, operation string, err error) error {
	if e, ok := errors.AsType[*refusal](err); ok {
		return e.response()
	}
	if e, ok := errors.AsType[users.Refusal](err); ok {
		return huma.Error409Conflict(e.Error() + "; nothing was changed")
	}
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return huma.Error404NotFound(err.Error())
	case errors.Is(err, storage.ErrConflict):
		return huma.Error409Conflict("a concurrent change came first; nothing was changed, try again")
	case errors.Is(err, storage.ErrFull):
		return huma.Error503ServiceUnavailable("the disk is full; nothing was changed")
	}
	a.log.ErrorContext(ctx, "admin API", "operation", operation, "error", err)
	return huma.Error500InternalServerError("internal error; see the server's log")
}

func (e *refusal) response() error {
	m := &huma.ErrorModel{Status: e.status, Title: http.StatusText(e.status), Detail: e.detail}
	for _, p := range e.problems {
		m.Errors = append(m.Errors, &huma.ErrorDetail{Location: p.Path, Message: p.Message})
	}
	return m
}

// withoutValues removes values from the library's own errors, which repeat what
// was sent, including secrets, and makes their locations paths of
// [exchange.Problem].
func withoutValues(_ huma.Context, _ string, v any) (any, error) {
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

// unmarshal is json.Unmarshal that refuses ambiguous documents: of two lists of
// issuers, for instance, one would be dropped silently. It also bounds the
// nesting: a manifest has five levels, and the stack of a goroutine has an end.
func unmarshal(data []byte, v any) error {
	const maxDepth = 16
	if err := strictjson.Check(string(data), strictjson.Options{MaxDepth: maxDepth, AllowNUL: true}); err != nil {
		return err
	}
	return json.Unmarshal(data, v)
}
