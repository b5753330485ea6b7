package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"time"

	"cambio/exchange"
	"cambio/exchange/audit"
	"cambio/exchange/registry"
	"cambio/exchange/session"
	"cambio/exchange/users"
	"cambio/jwks/strictjson"
	"cambio/keys"
	"cambio/storage"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// Config is the configuration of the API. All fields are required, except Hosts,
// Invoices, Metrics, Logger and Now.
type Config struct {
	// Token is the bearer token, see [OpenToken].
	Token string
	// Hosts are names, or name:port, that Host may have besides localhost and
	// loopback addresses.
	Hosts    []string
	Registry *registry.Registry
	Users    *users.Store
	Sessions *session.Store
	Keys     *keys.Ring
	// ConfirmClock trusts the wall clock, and reports whether it was not trusted.
	ConfirmClock func() bool
	// Compile compiles an issuer for a preview. It registers nothing.
	Compile func(exchange.Issuer) (*exchange.CompiledIssuer, []exchange.Problem)
	// Describe returns the keys of a compiled issuer, and fetches them if needed.
	Describe func(context.Context, exchange.KeySet) ([]IssuerKey, error)
	Audit    auditor
	// Trust names the manifest that is applied at every start, empty if there is none.
	Trust string
	// Invoices are the clients' lists of invoices. Nil leaves out their calls.
	Invoices invoices
	// Metrics serves GET /metrics to callers with the token. Nil means 404.
	Metrics http.Handler
	// Reload reads the files of the configuration again. Nil leaves out its call.
	Reload func(context.Context) []Reloaded
	Logger *slog.Logger     // nil means slog.Default
	Now    func() time.Time // nil means time.Now
}

// auditor is an [audit.Log].
type auditor interface {
	Ready() error
	Write(*audit.Event) error
}

// api is the receiver of the handlers.
type api struct {
	cfg  Config
	log  *slog.Logger
	now  func() time.Time
	huma huma.API
}

func newAPI(cfg Config) *api {
	a := &api{cfg: cfg, log: cmp.Or(cfg.Logger, slog.Default()), now: cfg.Now}
	if a.now == nil {
		a.now = time.Now
	}
	return a
}

// New returns the handler of the admin API: /v1/… and, with the token too,
// /openapi.json.
func New(cfg Config) (http.Handler, error) {
	if len(cfg.Token) < minToken || cfg.Registry == nil || cfg.Users == nil || cfg.Sessions == nil || cfg.Keys == nil ||
		cfg.ConfirmClock == nil || cfg.Compile == nil || cfg.Describe == nil || cfg.Audit == nil {
		return nil, errors.New("making the admin API: a required field of Config is missing, or Token is too short")
	}
	a := newAPI(cfg)
	mux := http.NewServeMux()
	a.huma = humago.New(mux, settings())
	for _, register := range []func(){
		a.manifest, a.issuers, a.clients, a.secrets, a.detailTypes, a.invoices, a.sessions, a.users, a.links, a.merges, a.keys, a.server,
	} {
		register()
	}
	spec, err := json.Marshal(a.huma.OpenAPI())
	if err != nil {
		return nil, fmt.Errorf("making the admin API: %w", err)
	}
	mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/openapi+json")
		w.Write(spec)
	})
	if cfg.Metrics != nil {
		mux.Handle("GET /metrics", cfg.Metrics)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeProblem(w, http.StatusNotFound, "no call has this path and method: see /openapi.json")
	})
	return a.guard(mux), nil
}

// exactNames refuses members that differ from a known name only in case: of
// "issuers" and "Issuers", encoding/json would drop one silently. The setting is
// global to the library, which only this package uses.
var exactNames = sync.OnceFunc(func() { huma.ValidateStrictCasing = true })

// settings leaves out what the library does by default: pages that load scripts
// from other sites, and links added to responses.
func settings() huma.Config {
	exactNames()
	schemas := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	schemas.RegisterTypeAlias(reflect.TypeFor[exchange.Words](), reflect.TypeFor[words]())
	strict := huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: unmarshal}
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info:    &huma.Info{Title: "Cambio administration", Version: "1"},
			Components: &huma.Components{
				Schemas:         schemas,
				SecuritySchemes: map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer"}},
			},
			Security: []map[string][]string{{"token": {}}},
		},
		Formats:                      map[string]huma.Format{"application/json": strict, "json": strict}, // …+json
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{withoutValues},
	}
}

// words describes [exchange.Words] in the schema.
type words []string

// Schema implements huma.SchemaProvider.
func (words) Schema(huma.Registry) *huma.Schema {
	word := &huma.Schema{Type: huma.TypeString}
	return &huma.Schema{OneOf: []*huma.Schema{word, {Type: huma.TypeArray, Items: word}}}
}

// body is a request or a response with a body.
type body[T any] struct{ Body T }

// byID is a request about one thing.
type byID struct {
	ID string `path:"id"`
}

// handle registers a call whose response is what f returns. Route is its method
// and path.
func handle[In, Out any](a *api, id, route, summary string, f func(context.Context, *In) (Out, error), opts ...option) {
	register(a, id, route, summary, opts, func(ctx context.Context, in *In) (*body[Out], error) {
		out, err := f(ctx, in)
		return &body[Out]{out}, err
	})
}

// handleEmpty registers a call whose response has no body.
func handleEmpty[In any](a *api, id, route, summary string, f func(context.Context, *In) error, opts ...option) {
	register(a, id, route, summary, opts, func(ctx context.Context, in *In) (*struct{}, error) { return nil, f(ctx, in) })
}

// register is the one place that turns the errors of handlers into responses.
func register[In, Out any](a *api, id, route, summary string, opts []option, f func(context.Context, *In) (*Out, error)) {
	method, path, _ := strings.Cut(route, " ")
	op := huma.Operation{
		OperationID: id, Method: method, Path: path, Summary: summary, MaxBodyBytes: maxBody, BodyReadTimeout: maxTime / 2,
	}
	for _, set := range opts {
		set(&op)
	}
	huma.Register(a.huma, op, func(ctx context.Context, in *In) (*Out, error) {
		out, err := f(ctx, in)
		if err != nil {
			return nil, a.problem(ctx, id, err)
		}
		return out, nil
	})
}

// option sets a field of an operation.
type option func(*huma.Operation)

func description(text string) option { return func(op *huma.Operation) { op.Description = text } }
func maxBytes(n int64) option        { return func(op *huma.Operation) { op.MaxBodyBytes = n } }
func created(op *huma.Operation)     { op.DefaultStatus = http.StatusCreated }

// find returns the element of an ID, or a refusal that names its kind.
func find[T any](list []T, kind, id string, idOf func(T) string) (found T, err error) {
	for _, x := range list {
		if idOf(x) == id {
			return x, nil
		}
	}
	return found, notFound(kind, id)
}

// nonNil returns a copy of list that is [] in JSON if it is empty, not null.
func nonNil[T any](list []T) []T { return append([]T{}, list...) }

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

func refused(status int, format string, args ...any) error {
	return &refusal{status: status, detail: fmt.Sprintf(format, args...)}
}

func notFound(kind, id string) error {
	return refused(http.StatusNotFound, "no %s has the ID %s", kind, exchange.Quote(id))
}

// missing names the thing that the store does not have.
func missing(err error, kind, id string) error {
	if errors.Is(err, storage.ErrNotFound) {
		return notFound(kind, id)
	}
	return err
}

// problem turns an error into a response. The operator is told what is missing or
// wrong, and for any other error whether to try again, and to see the server's log.
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
	reason := exchange.AsError(err).Reason
	if !reason.Temporary() {
		reason = exchange.ReasonInternal
	}
	response := reason.Response()
	return huma.NewError(response.Status, response.Description+"; see the server's log")
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
