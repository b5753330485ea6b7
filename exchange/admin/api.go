package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
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

// Config is what the API acts on. All fields but Hosts, Logger and Now are
// required.
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
	// Compile makes an issuer ready for a preview. It registers nothing.
	Compile func(exchange.Issuer) (*exchange.CompiledIssuer, []exchange.Problem)
	// Describe shows the keys of a compiled issuer, and fetches them if need be.
	Describe func(context.Context, exchange.KeySet) ([]IssuerKey, error)
	Audit    interface{ Write(*audit.Event) }
	// Invoices are clients' lists of them. Nil means that there are none.
	Invoices invoices
	// Metrics answers GET /metrics, to who has the token. Nil means nothing does.
	Metrics http.Handler
	Logger  *slog.Logger     // nil means slog.Default
	Now     func() time.Time // nil means time.Now
}

// api is the handlers' receiver.
type api struct {
	cfg      Config
	log      *slog.Logger
	now      func() time.Time
	huma     huma.API
	rotating sync.Mutex // of client secrets
}

// New is the handler of the admin API: /v1/… and, with the token too,
// /openapi.json.
func New(cfg Config) (http.Handler, error) {
	if len(cfg.Token) < 43 || cfg.Registry == nil || cfg.Users == nil || cfg.Sessions == nil || cfg.Keys == nil ||
		cfg.Compile == nil || cfg.Describe == nil || cfg.Audit == nil {
		return nil, errors.New("making the admin API: a field of Config is missing")
	}
	a := &api{cfg: cfg, log: cfg.Logger, now: cfg.Now}
	if a.log == nil {
		a.log = slog.Default()
	}
	if a.now == nil {
		a.now = time.Now
	}
	mux := http.NewServeMux()
	a.huma = humago.New(mux, settings())
	a.manifest()
	a.issuers()
	a.clients()
	a.secrets()
	a.detailTypes()
	a.invoices()
	a.sessions()
	a.users()
	a.links()
	a.merges()
	a.keys()
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
		refuse(w, http.StatusNotFound, "nothing is here, or not by this method: see /openapi.json")
	})
	return a.guard(mux), nil
}

// settings leaves out what the library does by default but should not here:
// pages that load scripts from elsewhere, and links added to answers.
func settings() huma.Config {
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
		Transformers:                 []huma.Transformer{quiet},
	}
}

// handle registers an operation whose errors go through one door.
func handle[In, Out any](a *api, op huma.Operation, f func(context.Context, *In) (*Out, error)) {
	if op.MaxBodyBytes == 0 {
		op.MaxBodyBytes = maxBody
	}
	op.BodyReadTimeout = maxTime / 2
	huma.Register(a.huma, op, func(ctx context.Context, in *In) (*Out, error) {
		out, err := f(ctx, in)
		if err != nil {
			return nil, a.problem(ctx, op.OperationID, err)
		}
		return out, nil
	})
}

// answer is a response with a body.
type answer[T any] struct{ Body T }

func answering[T any](body T) *answer[T] { return &answer[T]{body} }

// nothing is a response without a body.
type nothing struct{}
