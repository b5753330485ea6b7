package exchange_test

import (
	"slices"
	"testing"

	"cambio/exchange"
)

func TestOriginsAreExactButForOneLabel(t *testing.T) {
	registered := []string{
		"https://app.example.com", "https://*.preview.example.com", "https://*.dev.example.com:8443", "capacitor://localhost",
		"http://tauri.localhost", "null", "*", "https://*.com",
	}
	client := &exchange.Client{Origins: registered}
	sorted := slices.Sorted(slices.Values(registered))
	for origin, want := range map[string]bool{
		"https://app.example.com":                    true,
		"capacitor://localhost":                      true,
		"http://tauri.localhost":                     true,
		"https://pr-7.preview.example.com":           true,
		"https://a.dev.example.com:8443":             true,
		"https://a.dev.example.com":                  false,
		"https://a.b.preview.example.com":            false,
		"https://preview.example.com":                false,
		"https://.preview.example.com":               false,
		"https://*.preview.example.com":              false,
		"http://pr-7.preview.example.com":            false,
		"https://pr-7.preview.example.com:444":       false,
		"https://pr-7.preview.example.com.evil.test": false,
		"https://evil.test/.preview.example.com":     false,
		"https://evil.test:1.preview.example.com":    false,
		"https://u@x.preview.example.com":            false,
		"https://PR.preview.example.com":             false,
		"https://evil.com":                           false,
		"ionic://localhost":                          false,
		"capacitor://localhost.evil":                 false,
		"null":                                       false,
		"*":                                          false,
	} {
		if got := client.AllowsOrigin(origin); got != want {
			t.Errorf("the client allows %s: %v", origin, got)
		}
		if got := exchange.OriginAmong(sorted, origin); got != want {
			t.Errorf("some client allows %s: %v", origin, got)
		}
	}
}
