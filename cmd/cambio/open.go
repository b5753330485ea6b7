package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"cambio/cmd/cambio/manifest"
	"cambio/cmd/cambio/serving"
	"cambio/cmd/cambio/settings"
	"cambio/exchange"
	"cambio/exchange/admin"
	"cambio/exchange/assembly"
	"cambio/exchange/audit"
	"cambio/exchange/limit"
	"cambio/exchange/mail"
	"cambio/exchange/registration"
	"cambio/exchange/registry"
	"cambio/exchange/server"
	"cambio/jwks"
	"cambio/keys"
	"cambio/storage"
	"cambio/storage/bolt"
)

// app is an opened server: its parts, and what must be closed.
type app struct {
	*assembly.Parts
	cfg    settings.Config
	log    *slog.Logger
	level  slog.LevelVar // of log
	engine *bolt.Engine
	mail   *mail.Sender // nil if no SMTP server is configured
	audit  *audit.Log
	// auditFile is nil where audit events go to standard output.
	auditFile   *audit.File
	certificate *serving.Certificate // nil without tls
	reloading   sync.Mutex
	metrics     *prometheus.Registry
	public      *serving.Server // as admin, nil before run
	admin       *serving.Server
	closers     []func() error // in the order of opening
}

// open opens the files that the settings name, wires the parts and applies the
// manifest. It serves nothing yet.
func open(ctx context.Context, cfg settings.Config, stdout, stderr io.Writer) (_ *app, err error) {
	a := &app{cfg: cfg}
	a.level.Set(cfg.Log.Level)
	a.log = cfg.Log.Logger(&a.level, stderr)
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	if err := a.openStore(); err != nil {
		return nil, err
	}
	if err := a.openAudit(stdout); err != nil {
		return nil, err
	}
	if a.mail, err = cfg.Mail.Sender(); err != nil {
		return nil, err
	}
	if a.certificate, err = serving.NewCertificate(cfg); err != nil {
		return nil, err
	}
	if err := a.wire(ctx); err != nil {
		return nil, err
	}
	if _, err := a.applyTrust(ctx); err != nil {
		return nil, err
	}
	a.warnUnready()
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

func (a *app) openStore() error {
	if err := a.cfg.CheckDatabase(); err != nil {
		return err
	}
	engine, err := bolt.Open(a.cfg.Database, bolt.Options{})
	if errors.Is(err, storage.ErrLocked) {
		return hinted(err, "another server holds this file; stop it or set \"database\" to another path")
	}
	if err != nil {
		return hinted(err, storeHint(err))
	}
	a.engine, a.closers = engine, append(a.closers, engine.Close)
	if engine.BegunAnew() {
		a.log.Warn("the database's creation had not finished, so it was begun anew: nothing was stored in it", "file", a.cfg.Database)
	}
	return nil
}

func storeHint(err error) string {
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return "the folder must exist and the file must be writable by this user"
	}
	return "the file is damaged or not a database of this server; restore a backup"
}

// openAudit appends to the configured file, or writes to standard output.
func (a *app) openAudit(stdout io.Writer) error {
	out := stdout
	if name := a.cfg.Audit.File; name != "" {
		f, err := audit.OpenFile(name)
		if err != nil {
			return err
		}
		out, a.auditFile, a.closers = f, f, append(a.closers, f.Close)
	}
	a.audit = audit.New(out, audit.Config{Logger: a.log, Lossy: a.cfg.Audit.OnFailure == settings.AuditContinue})
	a.closers = append(a.closers, a.audit.Close)
	return nil
}

// wire wires the parts of the server as the settings say.
func (a *app) wire(ctx context.Context) error {
	kek, err := a.keyEncryptionKey(ctx)
	if err != nil {
		return err
	}
	token, err := admin.OpenToken(a.cfg.AdminTokenFile)
	if err != nil {
		return err
	}
	a.metrics = prometheus.NewRegistry()
	a.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	a.Parts, err = assembly.New(ctx, assembly.Config{
		Engine: a.engine,
		Keys:   keys.Config{KEK: kek, Algorithm: a.cfg.Keys.Algorithm, RotateEvery: time.Duration(a.cfg.Keys.RotateEvery)},
		Issuer: a.cfg.Issuer, PreviousIssuer: a.cfg.PreviousIssuer,
		JWKS:  jwks.Options{Verifying: make(chan struct{}, 4*runtime.GOMAXPROCS(0)), OwnFiles: a.ownFiles()},
		Audit: a.audit, Mail: a.mail, Server: a.configure,
		Admin: func(c *admin.Config) {
			c.Token, c.Hosts, c.Reload, c.Trust = token, a.cfg.AdminHosts, a.reload, a.cfg.Trust
		},
		Metrics: a.metrics, Logger: a.log,
	})
	if errors.Is(err, keys.ErrWrongKEK) {
		return hinted(err, bringBackKEK(a.cfg.Database))
	}
	if changed, ok := errors.AsType[*assembly.IssuerChanged](err); ok {
		return hinted(err, "restore the setting issuer; or, if APIs are to accept the new issuer instead, set previousIssuer: "+changed.Stored)
	}
	if err != nil {
		return err
	}
	a.closers = append(a.closers, func() error { a.Parts.Close(); return nil })
	return nil
}

// ownFiles returns the files with secrets of the server, which no registration may
// have sent to an issuer.
func (a *app) ownFiles() []string {
	c := &a.cfg
	return []string{c.AdminTokenFile, c.KeyEncryptionKeyFile, c.TLS.KeyFile, c.Mail.PasswordFile, c.Database}
}

// configure sets what an operator can set of the public server.
func (a *app) configure(c *server.Config) {
	c.Limits = limit.New(limit.Config{Burst: a.cfg.Limits.Failures})
	c.MaxInFlight = a.cfg.Limits.MaxInFlight
	memory := debug.SetMemoryLimit(-1)
	c.MaxRequestMemory = serving.RequestMemory(memory)
	c.MaxOutside = min(4096, serving.MaxConnections(memory)/2) // the other half keeps serving
	c.TrustedProxies, c.ClientAddressHeader = a.cfg.TrustedProxies, a.cfg.ClientAddressHeader
	c.Ready = a.ready
}

// ready returns the checks of /readyz.
func (a *app) ready(ctx context.Context) []server.ReadyCheck {
	_, err := a.engine.Get(ctx, "ready", "ready")
	if errors.Is(err, storage.ErrNotFound) {
		err = nil
	}
	return []server.ReadyCheck{{Name: "store", Err: err}, {Name: "audit", Err: a.audit.Ready()}}
}

// keyEncryptionKey returns the configured key. It creates one if its file does not
// exist and the store has nothing that was sealed under another.
func (a *app) keyEncryptionKey(ctx context.Context) ([]byte, error) {
	if len(a.cfg.KeyEncryptionKey) > 0 {
		return a.cfg.KeyEncryptionKey, nil
	}
	file := a.cfg.KeyEncryptionKeyFile
	kek, err := keys.ReadKEK(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return kek, err
	}
	used, err := keys.Exist(ctx, a.engine)
	if err != nil {
		return nil, err
	}
	if used {
		lost := fmt.Errorf("reading the key-encryption key: %s does not exist, but %s has keys sealed under it", file, a.cfg.Database)
		return nil, hinted(lost, bringBackKEK(a.cfg.Database))
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

func bringBackKEK(database string) string {
	return "bring back the key-encryption key that belongs to " + database + "; a new one would end all sessions, so none is created"
}

// applyTrust registers what the manifest of the settings declares, and removes the
// rest. It returns how many registrations that changes.
func (a *app) applyTrust(ctx context.Context) (changed int, err error) {
	if a.cfg.Trust == "" {
		return 0, nil
	}
	file, err := manifest.Read(a.cfg.Trust, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, hinted(err, "the setting \"trust\" names this file, relative to the working directory; write it, or remove the setting")
	}
	if err != nil {
		return 0, err
	}
	plan, problems, err := admin.Apply(ctx, admin.Config{
		Registry: a.Registry, Sessions: a.Sessions, Invoices: a.Invoices, Audit: a.audit, Logger: a.log,
	}, file.Manifest, true, a.checkRemovals)
	if err != nil {
		return 0, fmt.Errorf("applying %s: %w", filepath.Base(a.cfg.Trust), err)
	}
	if err := file.Refuse(problems); err != nil {
		return 0, err
	}
	for _, c := range plan {
		if c.Action != registry.Unchanged {
			changed++
			a.log.Info("applied", "file", a.cfg.Trust, "action", c.Action, "kind", c.Kind, "id", c.ID)
		}
	}
	return changed, nil
}

// checkRemovals refuses a plan that removes most of what is registered, as an empty or
// wrong file would, unless that is said.
func (a *app) checkRemovals(p registry.Plan) error {
	kind, removed, registered := p.RemovesMost()
	if kind == "" || a.cfg.AllowRemovals {
		return nil
	}
	err := fmt.Errorf("it would remove %d of %d registered %ss and end their sessions, so nothing is changed", removed, registered, kind)
	return hinted(err, "if that is meant, start once with: cambio serve --allow-removals; or set allowRemovals: true")
}

// warnUnready logs which clients cannot yet do what they are registered for;
// otherwise the first sign of that would be a refused request. A missing secret is
// no fault: it is created once the server runs.
func (a *app) warnUnready() {
	a.certificate.Warn(a.log)
	mails := 0
	for _, client := range a.Registry.Snapshot().Manifest().Clients {
		for _, w := range registration.Warnings(&exchange.Manifest{Clients: []exchange.Client{client}}) {
			a.log.Warn("a client is likely not registered as it is meant", "client", client.ID, "problem", strings.TrimPrefix(w.Path, "$.clients[0].")+" "+w.Message)
		}
		if client.Auth.BySecret() && len(client.Secrets) == 0 {
			a.log.Info("a client has no secret, so its requests are refused", "client", client.ID, "hint", "cambio client rotate "+client.ID)
		}
		if client.MayPresent(exchange.TypeOTP) {
			mails++
		}
	}
	if mails > 0 && a.mail == nil {
		a.log.Warn("no codes can be mailed", "clients", mails, "hint", "set mail.host and mail.from")
	}
}
