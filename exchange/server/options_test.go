package server_test

import (
	"context"
	"encoding/json"
	"errors"

	"cambio/exchange/limit"
	"cambio/exchange/server"
)

func withIssuer(url string) func(*server.Config) {
	return func(cfg *server.Config) { cfg.Issuer = url }
}

func withReady(broken *bool) func(*server.Config) {
	return func(cfg *server.Config) {
		cfg.Ready = func(context.Context) []server.ReadyCheck {
			c := server.ReadyCheck{Name: "store"}
			if *broken {
				c.Err = errors.New("disk /dev/sda1 on host db-7 failed")
			}
			return []server.ReadyCheck{c}
		}
	}
}

func unmarshal(text string, v any) error { return json.Unmarshal([]byte(text), v) }

// patient is for tables with many failures.
func patient(cfg *server.Config) { cfg.Limits = limit.New(limit.Config{Burst: 1000}) }
