package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"cambio/exchange"
	"cambio/exchange/audit"
	"cambio/exchange/registry"
	"cambio/exchange/session"
	"cambio/exchange/users"
	"cambio/keys"
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
	// Compile compiles an issuer for a preview. It registers nothing.
	Compile func(exchange.Issuer) (*exchange.CompiledIssuer, []exchange.Problem)
	// Describe returns the keys of a compiled issuer, and fetches them if needed.
	Describe func(context.Context, exchange.KeySet) ([]IssuerKey, error)
	Audit    interface{ Write(*audit.Event) }
	// Invoices are the clients' lists of invoices. Nil leaves out their calls.
	Invoices invoices
	// Metrics serves GET /metrics to callers with the token. Nil means 404.
	Metrics http.Handler
	Logger  *slog.Logger     // nil means slog.Default
	Now     func() time.Time // nil means time.Now
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
		cfg.Compile == nil || cfg.Describe == nil || cfg.Audit == nil {
		return nil, errors.New("making the admin API: a required field of Config is missing, or Token is too short")
	}
	a := newAPI(cfg)
	mux := http.NewServeMux()
	a.huma = humago.New(mux, settings())
	for _, register := range []func(){
		a.manifest, a.issuers, a.clients, a.secrets, a.detailTypes, a.invoices, a.sessions, a.users, a.links, a.merges, a.keys,
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
		refuse(w, http.StatusNotFound, "no call has this path and method: see /openapi.json")
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
	strict := huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: unmarshal}
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info:    &huma.Info{Title: "Cambio administration", Version: "1"},
			Components: &huma.Components{
				Schemas:         huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
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

// nonNil makes an absent list an empty one, as the API returns it.
func nonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
