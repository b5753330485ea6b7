package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"cambio/cmd/cambio/manifest"
	"cambio/cmd/cambio/settings"
	"cambio/exchange"
	"cambio/exchange/admin"
	"cambio/exchange/audit"
	"cambio/exchange/challenge"
	"cambio/exchange/checkout"
	"cambio/exchange/details"
	"cambio/exchange/grant"
	"cambio/exchange/limit"
	"cambio/exchange/mail"
	"cambio/exchange/registry"
	"cambio/exchange/server"
	"cambio/exchange/session"
	"cambio/exchange/subject"
	"cambio/exchange/users"
	"cambio/exchange/wallet"
	"cambio/jwks"
	"cambio/keys"
	"cambio/storage"
	"cambio/storage/bolt"
)

// app is a server put together: every part, and what must be closed.
type app struct {
	cfg    settings.Config
	log    *slog.Logger
	base   jwks.Options // the one bound of all key sets
	engine *bolt.Engine
	ring   *keys.Ring
	// registry is what is registered; users are the users and their links.
	registry *registry.Registry
	users    *users.Store
	// invoices are what checkout tokens may be for.
	invoices *checkout.Invoices
	// sessions, replays, answers, requests, wallets and limiter are swept in the
	// background.
	sessions *session.Store
	replays  *challenge.Replays
	requests *challenge.Requests
	wallets  *challenge.ClientSessions
	answers  *challenge.Answers
	limiter  *limit.Limiter
	mail     *mail.Sender // nil if no SMTP server is configured
	audit    *audit.Log
	server   *server.Server
	admin    http.Handler
	closers  []func() error // in the order of opening
}

// assemble opens the store and wires the parts. It starts nothing that serves.
func assemble(ctx context.Context, cfg settings.Config, stdout, stderr io.Writer) (_ *app, err error) {
	log := newLogger(cfg.Log, stderr)
	a := &app{cfg: cfg, log: log, base: jwks.Options{Verifying: make(chan struct{}, 4*runtime.GOMAXPROCS(0)), Logger: log}}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	for _, open := range []func() error{
		a.openStore,
		func() error { return a.openKeys(ctx) },
		func() error { return a.openRegistry(ctx) },
		func() error { return a.openAudit(stdout) },
		a.openMail,
		func() error { return a.applyTrust(ctx) },
		a.warnUnready,
		a.wire,
	} {
		if err := open(); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// close closes what was opened, last first.
func (a *app) close() error {
	var errs error
	for i := len(a.closers) - 1; i >= 0; i-- {
		errs = errors.Join(errs, a.closers[i]())
	}
	a.closers = nil
	return errs
}

func newLogger(cfg settings.Log, w io.Writer) *slog.Logger {
	opts := &slog.HandlerOptions{Level: cfg.Level}
	if cfg.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

func (a *app) openStore() error {
	engine, err := bolt.Open(a.cfg.Database, bolt.Options{})
	if errors.Is(err, storage.ErrLocked) {
		return hinted(err, "another server holds this file; stop it or set \"database\" to another path")
	}
	if err != nil {
		return hinted(err, storeHint(err))
	}
	a.engine, a.closers = engine, append(a.closers, engine.Close)
	return nil
}

func storeHint(err error) string {
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return "the folder must exist and the file must be writable by this user"
	}
	return "the file is damaged or not a database of this server; restore a backup"
}

func (a *app) openKeys(ctx context.Context) error {
	kek, err := a.keyEncryptionKey(ctx)
	if err != nil {
		return err
	}
	a.ring, err = keys.Open(ctx, a.engine, keys.Config{
		KEK: kek, Algorithm: a.cfg.Keys.Algorithm, RotateEvery: time.Duration(a.cfg.Keys.RotateEvery), Logger: a.log,
	})
	if errors.Is(err, keys.ErrWrongKEK) {
		return hinted(err, bringBackKEK(a.cfg.Database))
	}
	return err
}

func lostKEK(file, database string) error {
	return hinted(fmt.Errorf("reading the key-encryption key: %s does not exist, but %s has keys sealed under it", file, database), bringBackKEK(database))
}

func bringBackKEK(database string) string {
	return "bring back the key-encryption key that belongs to " + database + "; a new one would end all sessions, so none is created"
}

// keyEncryptionKey is the one that is configured. It is made if its file does
// not exist and neither does anything that was sealed under another.
func (a *app) keyEncryptionKey(ctx context.Context) ([]byte, error) {
	if len(a.cfg.KeyEncryptionKey) > 0 {
		return a.cfg.KeyEncryptionKey, nil
	}
	file := a.cfg.KeyEncryptionKeyFile
	kek, err := keys.ReadKEK(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return kek, err
	}
	if used, err := keys.Exist(ctx, a.engine); used || err != nil {
		return nil, errors.Join(err, lostKEK(file, a.cfg.Database))
	}
	kek, err = keys.CreateKEK(file)
	if errors.Is(err, fs.ErrExist) { // another process was faster
		return keys.ReadKEK(file)
	}
	if err == nil {
		a.log.Info("created a key-encryption key; keep a copy of it apart from the database's", "file", file)
	}
	return kek, err
}

func (a *app) openRegistry(ctx context.Context) error {
	reg, err := registry.Open(ctx, a.engine, registry.Config{
		RecordKey: a.ring.Derive("records"), SecretKey: a.ring.Derive("client secrets"),
		Seal: a.ring.Seal, Unseal: a.ring.Unseal,
		CompileIssuer: subject.CompileIssuer(a.base), CompileClient: subject.CompileClient(a.base),
		CompileDetail: details.Compile,
	})
	if err != nil {
		return fmt.Errorf("reading the registry: %w", err)
	}
	a.registry, a.users = reg, users.New(a.engine, a.ring.Derive("records"))
	a.closers = append(a.closers, func() error {
		a.keepUses()
		reg.Close()
		return nil
	})
	a.sessions = session.New(a.engine, a.ring, session.Config{Issuer: a.cfg.Issuer})
	a.replays = challenge.NewReplays(a.engine, a.ring.Derive("records"))
	a.requests = challenge.NewRequests(a.engine, challenge.RequestsConfig{
		RecordKey: a.ring.Derive("records"), Secret: a.ring.Derive("auth keys"), Replays: a.replays, Users: a.users,
	})
	a.invoices = checkout.New(a.engine, a.ring.Derive("records"))
	a.wallets = challenge.NewClientSessions(a.engine, a.ring.Derive("records"))
	a.answers = challenge.NewAnswers(a.engine, challenge.AnswersConfig{
		RecordKey: a.ring.Derive("records"), NameKey: a.ring.Derive("answers"), Seal: a.ring.Seal, Unseal: a.ring.Unseal,
	})
	return nil
}

// keepUses stores what is known of the last uses of secrets. Losing that is no
// failure of a stop.
func (a *app) keepUses() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := a.registry.FlushUses(ctx); err != nil {
		a.log.Error("storing the last uses of secrets", "error", err)
	}
}

// openAudit appends to the configured file, or writes to standard output.
func (a *app) openAudit(stdout io.Writer) error {
	out := stdout
	if name := a.cfg.Audit.File; name != "" {
		f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("opening the audit log: %w", err)
		}
		out, a.closers = f, append(a.closers, f.Close)
	}
	a.audit = audit.New(out, audit.Config{Logger: a.log})
	a.closers = append(a.closers, a.audit.Close)
	return nil
}

// applyTrust makes the registry what the manifest of the configuration says.
func (a *app) applyTrust(ctx context.Context) error {
	if a.cfg.Trust == "" {
		return nil
	}
	file, err := manifest.Read(a.cfg.Trust, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return hinted(err, "the setting \"trust\" names this file, relative to the working directory; write it, or remove the setting")
	}
	if err != nil {
		return err
	}
	now := time.Now()
	plan, problems, err := a.registry.Apply(ctx, file.Manifest, true, now, admin.RevocationsOf(a.sessions, now))
	if err != nil {
		return fmt.Errorf("applying %s: %w", filepath.Base(a.cfg.Trust), err)
	}
	if err := file.Refuse(problems); err != nil {
		return err
	}
	for _, e := range admin.Events(plan) {
		e.Time = now
		a.audit.Write(&e)
	}
	for _, c := range plan {
		if c.Action != registry.Unchanged {
			a.log.Info("applied", "file", a.cfg.Trust, "action", c.Action, "kind", c.Kind, "id", c.ID)
		}
		if c.Action == registry.Remove && c.Kind == registry.KindClient {
			if err := a.invoices.Forget(ctx, c.ID); err != nil {
				return fmt.Errorf("applying %s: %w", filepath.Base(a.cfg.Trust), err)
			}
		}
	}
	return nil
}

// wire puts the parts together.
func (a *app) wire() error {
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	contracts := wallet.NewContracts()
	a.closers = append(a.closers, func() error { contracts.Close(); return nil })
	subjects := subject.New(subject.Config{
		Issuers: func() subject.Issuers { return a.registry.Snapshot() }, FirstParty: a.sessions, OwnIssuer: a.cfg.Issuer,
		Wallets: a.wallets, Contracts: contracts, Requests: a.requests,
	})
	grants := grant.New(grant.Config{
		Subjects: subjects, Users: a.users, Sessions: a.sessions, Replays: a.replays,
		Invoices:   a.invoices,
		Challenges: challenge.Spenders{challenge.WalletKind: a.wallets, challenge.RequestKind: a.requests},
		Registry:   func() grant.Registry { return a.registry.Snapshot() }, Issuer: a.cfg.Issuer,
	})
	a.limiter = limit.New(limit.Config{Burst: a.cfg.Limits.Failures})
	var err error
	a.server, err = server.New(a.withMail(server.Config{
		Issuer: a.cfg.Issuer, Grants: grants, Sessions: a.sessions, Subjects: subjects, Replays: a.replays, Answers: a.answers, Keys: a.ring,
		ClientSessions: a.wallets, Requests: a.requests,
		Clients: func() server.Clients { return a.registry.Snapshot() }, CheckSecret: a.registry.CheckSecret, SecretUsed: a.registry.SecretUsed,
		Limits: a.limiter, Audit: a.audit, Logger: a.log, Metrics: metrics,
		TrustedProxies: a.cfg.TrustedProxies, MaxInFlight: a.cfg.Limits.MaxInFlight, Ready: a.ready,
	}))
	if err != nil {
		return err
	}
	a.registry.OnChange(a.server.ClientsChanged)
	return a.wireAdmin(promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
}

func (a *app) wireAdmin(metrics http.Handler) error {
	token, err := admin.OpenToken(a.cfg.AdminTokenFile)
	if err != nil {
		return err
	}
	a.admin, err = admin.New(admin.Config{
		Token: token, Hosts: a.cfg.AdminHosts, Registry: a.registry, Users: a.users, Sessions: a.sessions, Keys: a.ring, Invoices: a.invoices,
		Compile: subject.CompileIssuer(a.base), Describe: describeKeys, Metrics: metrics,
		Audit: a.audit, Logger: a.log,
	})
	return err
}

// ready are the checks of /readyz.
func (a *app) ready(ctx context.Context) []server.ReadyCheck {
	_, err := a.engine.Get(ctx, "ready", "ready")
	if errors.Is(err, storage.ErrNotFound) {
		err = nil
	}
	return []server.ReadyCheck{{Name: "store", Err: err}}
}

// describeKeys returns the keys of a compiled issuer, and fetches them if need be.
func describeKeys(ctx context.Context, set exchange.KeySet) ([]admin.IssuerKey, error) {
	lister, ok := set.(interface {
		Keys(context.Context) ([]jwks.KeyInfo, error)
	})
	if !ok {
		return nil, errors.New("its keys cannot be listed")
	}
	keys, err := lister.Keys(ctx)
	out := make([]admin.IssuerKey, len(keys))
	for i, k := range keys {
		out[i] = admin.IssuerKey{
			KeyID: k.KeyID, Thumbprint: k.Thumbprint, Type: k.Type, Algorithm: k.Alg,
			Use: k.Use, NotAfter: k.NotAfter, Refused: k.Refused,
		}
	}
	return out, err
}
