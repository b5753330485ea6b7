package settings

import (
	"crypto/x509"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestDifferencesNamesSettings(t *testing.T) {
	a, err := Load(writeConfig(t, "limits: {failures: 5}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Load(writeConfig(t, "log: {level: debug}\ntrustedProxies: [10.0.0.0/8]\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := a.Differences(b); !slices.Equal(got, []string{"trustedProxies", "log.level", "limits.failures"}) {
		t.Error(got)
	}
}

// Each row is a certificate that callers refuse, or one that they accept.
func TestCheckCertificate(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		name       string
		host       string
		start, end time.Duration
		proxy      bool
		want       string
	}{
		{"good", "login.example.com", -time.Hour, time.Hour, false, ""},
		{"expired", "login.example.com", -time.Hour, -time.Minute, false, "expired on 2029-12-31"},
		{"not valid yet", "login.example.com", time.Minute, time.Hour, false, "is not valid before"},
		{"of another name", "other.example.com", -time.Hour, time.Hour, false, "is not for login.example.com, the host of issuer"},
		{"of another name, behind a proxy", "other.example.com", -time.Hour, time.Hour, true, ""},
		{"a wildcard", "*.example.com", -time.Hour, time.Hour, false, ""},
	} {
		leaf := &x509.Certificate{DNSNames: []string{row.host}, NotBefore: now.Add(row.start), NotAfter: now.Add(row.end)}
		c := Config{Issuer: "https://login.example.com", BehindProxy: row.proxy}
		if err := c.CheckCertificate(leaf, now); (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", row.name, err, row.want)
		}
	}
}
