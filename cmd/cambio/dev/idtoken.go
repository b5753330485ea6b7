package dev

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"
)

// IDToken logs a demo user in at the provider, as the demo app and its user's
// browser would, and returns the ID token: authorization code with PKCE (RFC
// 7636).
func IDToken(ctx context.Context, u URLs, user string) (string, error) {
	app := oauth2.Config{
		ClientID: ClientID, RedirectURL: u.Callback, Scopes: []string{"openid", "email", "profile"},
		Endpoint: oauth2.Endpoint{AuthURL: u.Provider + "/authorize", TokenURL: u.Provider + "/oauth/token", AuthStyle: oauth2.AuthStyleInParams},
	}
	verifier := oauth2.GenerateVerifier()
	page, err := redirect(ctx, http.MethodGet, app.AuthCodeURL("login", oauth2.S256ChallengeOption(verifier)), nil)
	if err != nil {
		return "", err
	}
	next, err := redirect(ctx, http.MethodPost, page.String(), url.Values{"username": {user}, "password": {user}})
	if err != nil {
		return "", fmt.Errorf("user %q is not one of the demo users alice and bob: %w", user, err)
	}
	callback, err := redirect(ctx, http.MethodGet, next.String(), nil)
	if err != nil {
		return "", err
	}
	token, err := app.Exchange(ctx, callback.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		return "", fmt.Errorf("redeeming the code: %w", err)
	}
	idToken, ok := token.Extra("id_token").(string)
	if !ok {
		return "", errors.New("the provider returned no ID token")
	}
	return idToken, nil
}

// redirect sends a request and returns where the response redirects to.
func redirect(ctx context.Context, method, target string, form url.Values) (*url.URL, error) {
	r, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	location, err := resp.Location()
	if err != nil {
		return nil, fmt.Errorf("%s: status %d without a redirect", r.URL.Path, resp.StatusCode)
	}
	return location, nil
}
