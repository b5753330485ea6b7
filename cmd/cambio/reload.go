package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cambio/exchange/admin"
)

// reload reads again what can change while the server runs, each part by itself: a
// part that fails stays as it was.
func (a *app) reload(ctx context.Context) []admin.Reloaded {
	a.reloading.Lock()
	defer a.reloading.Unlock()
	var done []admin.Reloaded
	for _, part := range []struct {
		name string
		do   func(context.Context) (string, error)
	}{
		{"audit log", a.reopenAudit}, {"settings", a.rereadSettings}, {"certificate", a.reloadCertificate}, {"trust file", a.reapplyTrust},
	} {
		detail, err := part.do(ctx)
		r := admin.Reloaded{Part: part.name, Detail: detail}
		if err != nil {
			r.Error = err.Error()
			a.log.Error("reloading failed; what was loaded before stays", "part", part.name, "error", err)
		} else {
			a.log.Info("reloaded", "part", part.name, "detail", detail)
		}
		done = append(done, r)
	}
	return done
}

func (a *app) reopenAudit(context.Context) (string, error) {
	if a.auditFile == nil {
		return "on standard output", nil
	}
	return "reopened", a.auditFile.Reopen()
}

// rereadSettings sets the level of the log, and names the settings that wait for a
// restart.
func (a *app) rereadSettings(context.Context) (string, error) {
	next, err := a.cfg.Reload()
	if err != nil {
		return "", err
	}
	a.level.Set(next.Log.Level)
	a.cfg.Log.Level, a.cfg.AllowRemovals = next.Log.Level, next.AllowRemovals
	detail := "log.level is " + strings.ToLower(next.Log.Level.String())
	if changed := a.cfg.Differences(next); len(changed) > 0 {
		waiting := "restart the server to change " + strings.Join(changed, ", ")
		a.log.Warn(waiting)
		detail += "; " + waiting
	}
	return detail, nil
}

func (a *app) reloadCertificate(context.Context) (string, error) {
	if a.certificate == nil {
		return "none is configured", nil
	}
	changed, err := a.certificate.Reload()
	if changed {
		return "renewed, valid until " + a.certificate.Leaf().NotAfter.UTC().Format(time.RFC3339), nil
	}
	return "unchanged", err
}

func (a *app) reapplyTrust(ctx context.Context) (string, error) {
	if a.cfg.Trust == "" {
		return "none is configured", nil
	}
	n, err := a.applyTrust(ctx)
	return count(n, "change"), err
}

// watch reloads at every signal until ctx ends.
func (a *app) watch(ctx context.Context, hangups <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			a.reload(ctx)
		}
	}
}

func (c *cli) reload() *cobra.Command {
	return c.verb("reload", "Have a server read its files again",
		`Has a running server reopen its audit log, and read the certificate, the trust file
and log.level again, as SIGHUP does. A part that fails stays as it was, and the exit
code is then 1. The other settings are read at the start only; those that changed
are named.`, `  cambio reload`,
		cobra.NoArgs, func(ctx context.Context, _ []string) error {
			api, err := c.admin()
			if err != nil {
				return err
			}
			parts, err := api.Reload(ctx)
			if err != nil {
				return err
			}
			var failed error
			for _, p := range parts {
				if p.Error != "" {
					failed = errors.Join(failed, fmt.Errorf("%s: %s", p.Part, p.Error))
				}
			}
			return errors.Join(c.show(parts, func() {
				for _, p := range parts {
					if p.Error == "" {
						fmt.Fprintf(c.out, "%s: %s\n", p.Part, p.Detail)
					}
				}
			}), failed)
		})
}
