package dev

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/oauth2"
)

const callbackURL = "http://127.0.0.1:9/callback"

// startProvider serves a provider at its issuer URL.
func startProvider(t *testing.T) string {
	t.Helper()
	srv := httptest.NewUnstartedServer(nil)
	issuer := "http://" + srv.Listener.Addr().String()
	p, err := NewProvider(issuer, callbackURL)
	if err != nil {
		t.Fatal(err)
	}
	srv.Config.Handler = p
	srv.Start()
	t.Cleanup(srv.Close)
	return issuer
}

// step follows one redirect of the browser.
func step(t *testing.T, method, at string, form url.Values) (status int, location string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, at, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	to, err := resp.Location()
	if err != nil {
		return resp.StatusCode, ""
	}
	return resp.StatusCode, to.String()
}

func TestCodeFlow(t *testing.T) {
	issuer := startProvider(t)
	config := oauth2.Config{
		ClientID: ClientID, RedirectURL: callbackURL, Scopes: []string{"openid", "email", "profile"},
		Endpoint: oauth2.Endpoint{AuthURL: issuer + "/authorize", TokenURL: issuer + "/oauth/token", AuthStyle: oauth2.AuthStyleInParams},
	}
	for _, c := range []struct {
		name, password string
		in, verified   bool
	}{
		{"alice", "alice", true, true},
		{"bob", "bob", true, false},
		{"alice", "bob", false, false},
		{"mallory", "mallory", false, false},
	} {
		t.Run(c.name+"/"+c.password, func(t *testing.T) {
			verifier := oauth2.GenerateVerifier()
			_, login := step(t, "GET", config.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("nonce", "n")), nil)
			status, callback := step(t, "POST", login, url.Values{"username": {c.name}, "password": {c.password}})
			if !c.in {
				if status != http.StatusUnauthorized || callback != "" {
					t.Fatalf("a bad login got status %d and was sent to %q", status, callback)
				}
				return
			}
			_, back := step(t, "GET", callback, nil)
			to, err := url.Parse(back)
			if err != nil || !strings.HasPrefix(back, callbackURL) {
				t.Fatalf("sent to %q: %v", back, err)
			}
			token, err := config.Exchange(t.Context(), to.Query().Get("code"), oauth2.VerifierOption(verifier))
			if err != nil {
				t.Fatal(err)
			}
			var claims struct {
				Iss, Sub, Nonce string
				Verified        bool `json:"email_verified"`
			}
			payload(t, token.Extra("id_token").(string), &claims)
			if claims.Iss != issuer || claims.Sub != c.name || claims.Nonce != "n" || claims.Verified != c.verified {
				t.Errorf("claims %+v", claims)
			}
			if _, err := config.Exchange(t.Context(), to.Query().Get("code"), oauth2.VerifierOption(verifier)); err == nil {
				t.Error("a code was accepted twice")
			}
		})
	}
}

// payload decodes the claims of a token without verifying its signature.
func payload(t *testing.T, token string, into any) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is not a compact token", token)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatal(err)
	}
}
