// Package assembly wires a server: from a store and a few settings to the public
// and the admin HTTP handler. The program, the load harness and the tests of single
// packages use this one wiring. It opens no file and no listener, and starts
// nothing until Run.
package assembly

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"cambio/exchange"
	"cambio/exchange/admin"
	"cambio/exchange/audit"
	"cambio/exchange/checkout"
	"cambio/exchange/details"
	"cambio/exchange/grant"
	"cambio/exchange/idempotency"
	"cambio/exchange/keylogin"
	"cambio/exchange/limit"
	"cambio/exchange/mail"
	"cambio/exchange/registry"
	"cambio/exchange/replay"
	"cambio/exchange/server"
	"cambio/exchange/server/endpoint"
	"cambio/exchange/session"
	"cambio/exchange/subject"
	"cambio/exchange/users"
	"cambio/exchange/wallet"
	"cambio/exchange/walletlogin"
	"cambio/jwks"
	"cambio/keys"
	"cambio/storage"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Config holds what differs between servers.
type Config struct {
	// Engine is the open store. The caller closes it after the Parts.
	Engine storage.Engine
	// Keys configures the signing keys; its Now and Logger are those below.
	Keys keys.Config
	// Issuer is the public base URL and the iss of every token.
	Issuer string
	// PreviousIssuer is the issuer that the store may have belonged to before. Any
	// other change of Issuer is refused.
	PreviousIssuer string
	// JWKS are the options of all issuers' key sets; Logger is the one below, and
	// Now by default.
	JWKS jwks.Options
	// Audit gets one event for each decision. The caller closes it after the Parts.
	Audit *audit.Log
	// Mail sends login codes. Nil means that none are mailed.
	Mail *mail.Sender
	// Server changes the configuration of the public server, which has all parts
	// set. Nil changes nothing.
	Server func(*server.Config)
	// Admin completes the configuration of the admin API: its token is required.
	// Without it there is no admin API.
	Admin func(*admin.Config)

	Metrics *prometheus.Registry // nil means a new one
	Logger  *slog.Logger         // nil means slog.Default
	Now     func() time.Time     // nil means time.Now
}

// Parts are the parts of a wired server.
type Parts struct {
	Keys      *keys.Ring
	Registry  *registry.Registry
	Users     *users.Store
	Sessions  *session.Store
	KeyLogins *keylogin.Store
	Invoices  *checkout.Invoices
	Subjects  *subject.Verifier
	Grants    *grant.Endpoint
	Server    *server.Server
	Admin     http.Handler // nil without Config.Admin

	replays      *replay.Store
	walletLogins *walletlogin.Store
	responses    *idempotency.Store
	contracts    *wallet.Contracts
	sessionRate  *limit.Limiter
	log          *slog.Logger
	now          func() time.Time
	clock        *clock
	engine       storage.Engine
}

// New wires the parts. The caller closes them.
func New(ctx context.Context, c Config) (_ *Parts, err error) {
	c = c.withDefaults()
	p := &Parts{log: c.Logger, now: c.Now, engine: c.Engine}
	defer func() {
		if err != nil {
			p.Close()
		}
	}()
	c.Keys.Steady = func() bool { return p.clock.Steady() } // not called before Run
	if p.Keys, err = keys.Open(ctx, c.Engine, c.Keys); err != nil {
		return nil, err
	}
	records := p.Keys.Derive("records")
	if err := checkIssuer(ctx, c, storage.NewTable[ownIssuer](c.Engine, "server", records)); err != nil {
		return nil, err
	}
	table := storage.NewTable[lastSweep](c.Engine, "clock", records)
	if p.clock, err = newClock(ctx, table, c.Now, c.Metrics, c.reportClock); err != nil {
		return nil, err
	}
	if err := p.openStores(ctx, c); err != nil {
		return nil, err
	}
	p.wireGrants(c)
	if err := p.wireServer(ctx, c); err != nil {
		return nil, err
	}
	return p, p.wireAdmin(c)
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Metrics == nil {
		c.Metrics = prometheus.NewRegistry()
	}
	c.Keys.Now, c.Keys.Logger, c.JWKS.Logger = c.Now, c.Logger, c.Logger
	if c.JWKS.Now == nil {
		c.JWKS.Now = c.Now
	}
	return c
}

// reporting returns the limits of issuers' keys, whose failures are audited: the last
// good keys serve meanwhile, so that no refused request tells of them.
func (c Config) reporting() jwks.Options {
	o := c.JWKS
	o.Report = func(issuer string, err error) {
		e := audit.Event{Name: "issuer.keys", Issuer: issuer}
		if err != nil {
			e.Reason, e.Err = exchange.ReasonIssuerUnavailable, err.Error()
		}
		c.note(e)
	}
	return o
}

// note writes an audit event of no request.
func (c Config) note(e audit.Event) {
	if c.Audit != nil {
		e.Time = c.Now()
		c.Audit.Write(&e)
	}
}

// reportClock logs and audits what a clock found out.
func (c Config) reportClock(event string, by time.Duration) {
	if event == clockIsSteady {
		c.Logger.Info("the wall clock is trusted again; expired records are deleted, and keys rotated")
		c.note(audit.Event{Name: event})
		return
	}
	c.Logger.Error("the wall clock cannot be trusted; nothing is deleted and no key rotated until it has been steady for an hour, or you confirm it: cambio clock confirm",
		"event", event, "by", by.Round(time.Second))
	c.note(audit.Event{Name: event, Reason: exchange.ReasonClockUnsteady, Err: "by " + by.Round(time.Second).String()})
}

// openStores opens the tables. The keys of their MACs are derived by name: another
// name would make what is stored unreadable.
func (p *Parts) openStores(ctx context.Context, c Config) error {
	records := p.Keys.Derive("records")
	var err error
	p.Registry, err = registry.Open(ctx, c.Engine, registry.Config{
		RecordKey: records, SecretKey: p.Keys.Derive("client secrets"), Seal: p.Keys.Seal, Unseal: p.Keys.Unseal,
		CompileIssuer: subject.CompileIssuer(c.reporting()), CompileClient: subject.CompileClient(c.JWKS), CompileDetail: details.Compile,
	})
	if err != nil {
		return fmt.Errorf("reading the registry: %w", err)
	}
	p.Users = users.New(c.Engine, records)
	p.Sessions = session.New(c.Engine, p.Keys, session.Config{Issuer: c.Issuer, Grace: p.grace, MaxPerUser: p.maxPerUser, Ahead: p.clock.Ahead})
	p.replays = replay.New(c.Engine, records)
	p.KeyLogins = keylogin.New(c.Engine, keylogin.Config{
		RecordKey: records, Secret: p.Keys.Derive("auth keys"), Replays: p.replays, Users: p.Users,
	})
	p.walletLogins = walletlogin.New(c.Engine, records)
	p.responses = idempotency.New(c.Engine, idempotency.Config{
		RecordKey: records, NameKey: p.Keys.Derive("answers"), Seal: p.Keys.Seal, Unseal: p.Keys.Unseal,
	})
	p.Invoices = checkout.New(c.Engine, records)
	return nil
}

func (p *Parts) wireGrants(c Config) {
	p.sessionRate = newSessionRate()
	p.contracts = wallet.NewContracts()
	p.Subjects = subject.New(subject.Config{
		Issuers: func() subject.Issuers { return p.Registry.Snapshot() }, FirstParty: p.Sessions, OwnIssuer: c.Issuer,
		Wallets: p.walletLogins, Contracts: p.contracts, Links: p.Users, Requests: p.KeyLogins,
		Verifying: c.JWKS.Verifying,
	})
	p.Grants = grant.New(grant.Config{
		Subjects: p.Subjects, Users: p.Users, Sessions: p.Sessions, Replays: p.replays, Invoices: p.Invoices,
		NewSession: p.newSession,
		Challenges: replay.Spenders{walletlogin.Kind: p.walletLogins, keylogin.Kind: p.KeyLogins},
		Registry:   func() grant.Registry { return p.Registry.Snapshot() }, Issuer: c.Issuer,
	})
}

func (p *Parts) wireServer(ctx context.Context, c Config) error {
	endpoints := endpoint.Config{Sessions: p.Sessions, VerifyToken: p.Grants.Verify, ClientSessions: p.walletLogins, Requests: p.KeyLogins}
	if c.Mail != nil { // a nil *mail.Sender in the interface would not be nil
		endpoints.Mail = c.Mail
	}
	cfg := server.Config{
		Issuer: c.Issuer, Endpoints: endpoint.All(endpoints), GrantTokens: p.Grants.Token, Sessions: p.Sessions, Subjects: p.Subjects, Spend: p.replays.Spend, LookupResponse: p.responses.Lookup,
		Keys: p.Keys, ClientSessions: p.walletLogins,
		Clients: func() server.Clients { return p.Registry.Snapshot() }, CheckSecret: p.Registry.CheckSecret, SecretUsed: p.Registry.SecretUsed,
		Limits: limit.New(limit.Config{}), Audit: c.Audit, Logger: c.Logger, Metrics: c.Metrics, Now: c.Now,
	}
	if c.Server != nil {
		c.Server(&cfg)
	}
	p.addClock(&cfg)
	err := p.ensureKeys(ctx)
	if err != nil {
		return err
	}
	if p.Server, err = server.New(cfg); err != nil {
		return err
	}
	p.Registry.OnChange(func() {
		if err := p.ensureKeys(context.WithoutCancel(ctx)); err != nil {
			p.log.Error("no key for the ID tokens of a client", "error", err)
		}
		p.Server.ClientsChanged()
	})
	return nil
}

// ensureKeys creates the keys that clients are registered for.
func (p *Parts) ensureKeys(ctx context.Context) error {
	var algorithms []string
	for _, c := range p.Registry.Snapshot().Manifest().Clients {
		algorithms = append(algorithms, c.IDTokenAlgorithm)
	}
	return p.Keys.Ensure(ctx, algorithms...)
}

// addClock lets /readyz say that the clock is not trusted. The server is ready all
// the same.
func (p *Parts) addClock(c *server.Config) {
	others := c.Ready
	c.Ready = func(ctx context.Context) (checks []server.ReadyCheck) {
		if others != nil {
			checks = others(ctx)
		}
		check := server.ReadyCheck{Name: "clock", Warning: true}
		if !p.clock.Steady() {
			check.Err = errUnsteady
		}
		return append(checks, check)
	}
}

func (p *Parts) wireAdmin(c Config) error {
	if c.Admin == nil {
		return nil
	}
	cfg := admin.Config{
		Registry: p.Registry, Users: p.Users, Sessions: p.Sessions, Keys: p.Keys, Invoices: p.Invoices, ConfirmClock: p.clock.Confirm,
		Compile: subject.CompileIssuer(c.JWKS), Describe: describe,
		Metrics: promhttp.HandlerFor(c.Metrics, promhttp.HandlerOpts{}),
		Audit:   c.Audit, Logger: c.Logger, Now: c.Now,
	}
	c.Admin(&cfg)
	var err error
	p.Admin, err = admin.New(cfg)
	return err
}

// describe returns the keys of a compiled issuer, and fetches them if need be.
func describe(ctx context.Context, set exchange.KeySet) ([]admin.IssuerKey, error) {
	lister, ok := set.(interface {
		Keys(context.Context) ([]jwks.KeyInfo, error)
	})
	if !ok {
		return nil, errors.New("its keys cannot be listed")
	}
	infos, err := lister.Keys(ctx)
	out := make([]admin.IssuerKey, len(infos))
	for i, k := range infos {
		out[i] = admin.IssuerKey{
			KeyID: k.KeyID, Thumbprint: k.Thumbprint, Type: k.Type, Algorithm: k.Alg,
			Use: k.Use, NotAfter: k.NotAfter, Refused: k.Refused, Notes: k.Notes,
		}
	}
	return out, err
}

// sweepEvery is how often expired records are deleted, and sweepBatch how many of
// them in one commit.
const (
	sweepEvery = time.Minute
	sweepBatch = 256
)

// Run does the background work until ctx ends: it rotates keys, fetches issuers'
// keys ahead of their first use, and deletes expired records.
func (p *Parts) Run(ctx context.Context) {
	var tasks sync.WaitGroup
	tasks.Go(func() { p.Keys.Run(ctx) })
	tasks.Go(func() { p.warm(ctx) })
	tasks.Go(func() { every(ctx, clockEvery, func() { p.clock.Check() }) })
	tasks.Go(func() { every(ctx, sweepEvery, func() { p.sweep(ctx, p.now()) }) })
	tasks.Wait()
}

// every calls do at an interval until ctx ends.
func every(ctx context.Context, interval time.Duration, do func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			do()
		}
	}
}

// Close stores the last uses of secrets and stops what New started. Losing the
// former is no failure of a stop.
func (p *Parts) Close() {
	if p.contracts != nil {
		p.contracts.Close()
	}
	if p.Registry == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	p.report(context.Background(), p.Registry.FlushUses(ctx))
	p.Registry.Close()
}

// warm fetches the keys of every issuer ahead of its first request, and logs the
// registrations that cannot be used: otherwise the first sign would be refused
// users.
func (p *Parts) warm(ctx context.Context) {
	p.Registry.Warm(ctx)
	for _, f := range p.Registry.Snapshot().Faults() {
		for _, problem := range f.Problems {
			p.log.Error("registration cannot be used", "kind", f.Kind, "id", f.ID, "at", problem.Path, "problem", problem.Message)
		}
	}
}

// sweep stores the last uses of secrets and, while the clock is steady, deletes
// expired records.
func (p *Parts) sweep(ctx context.Context, now time.Time) {
	p.Server.Sweep(now)
	p.sessionRate.Sweep(now)
	p.report(ctx, p.Registry.FlushUses(ctx))
	if !p.clock.Check() {
		return
	}
	p.report(ctx, p.clock.swept(ctx, p.engine))
	_, err := p.Sessions.Sweep(ctx, now)
	p.report(ctx, err)
	for _, sweep := range []func(ctx context.Context, now time.Time, batch int) (int, error){
		p.Users.SweepMerges, p.replays.Sweep, p.KeyLogins.Sweep, p.walletLogins.Sweep, p.responses.Sweep,
	} {
		_, err := sweep(ctx, now, sweepBatch)
		p.report(ctx, err)
	}
}

// report logs an error, which names what failed, except one of a stop.
func (p *Parts) report(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		p.log.Error("background work failed", "error", err)
	}
}
