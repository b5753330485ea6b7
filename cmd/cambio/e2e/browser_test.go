package e2e

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"golang.org/x/oauth2"
)

// callback is the app's redirect URI; nothing listens there.
const callback = "http://127.0.0.1:9/callback"

// user holds the credentials for a login form.
type user struct{ name, password string }

// logIn obtains an ID token as the app would: authorization code with PKCE (RFC
// 7636), with a browser that follows redirects, keeps cookies, and fills in and
// submits every form.
func logIn(t *testing.T, endpoint oauth2.Endpoint, u user) (idToken string) {
	t.Helper()
	config := oauth2.Config{ClientID: app, RedirectURL: callback, Scopes: []string{"openid", "email", "profile"}, Endpoint: endpoint}
	verifier := oauth2.GenerateVerifier()
	at := browse(t, config.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier)), u)
	back, err := url.Parse(at)
	if err != nil || back.Query().Get("state") != "state" {
		t.Fatalf("sent back to %q: %v", at, err)
	}
	token, err := config.Exchange(t.Context(), back.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	idToken, ok := token.Extra("id_token").(string)
	if !ok {
		t.Fatalf("the issuer gave no ID token: %v", token)
	}
	return idToken
}

// browse follows pages until a redirect leads to the callback.
func browse(t *testing.T, start string, u user) (end string) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), callback) {
			end = r.URL.String()
			return http.ErrUseLastResponse
		}
		return nil
	}}
	resp, err := client.Get(start)
	for range 10 {
		if err != nil {
			t.Fatal(err)
		}
		action, fields, page := readForm(resp)
		if end != "" {
			return end
		}
		if fields == nil {
			t.Fatalf("no form and no way back at %s: %s", resp.Request.URL, page)
		}
		fill(fields, u)
		resp, err = client.PostForm(action, fields)
	}
	t.Fatal("the login does not end")
	return ""
}

func fill(fields url.Values, u user) {
	for _, name := range []string{"login", "username"} {
		if fields.Has(name) {
			fields.Set(name, u.name)
		}
	}
	if fields.Has("password") {
		fields.Set("password", u.password)
	}
}

// readForm finds the one form of a page.
func readForm(resp *http.Response) (action string, fields url.Values, page string) {
	defer resp.Body.Close()
	root, err := html.Parse(resp.Body)
	if err != nil {
		return "", nil, fmt.Sprint(err)
	}
	var text strings.Builder
	for n := range root.Descendants() {
		switch {
		case n.Type == html.TextNode:
			text.WriteString(n.Data)
		case n.Data == "form":
			fields = url.Values{}
			to, err := resp.Request.URL.Parse(attribute(n, "action"))
			if err != nil {
				return "", nil, fmt.Sprint(err)
			}
			action = to.String()
		case n.Data == "input" && fields != nil:
			fields.Set(attribute(n, "name"), attribute(n, "value"))
		}
	}
	return action, fields, text.String()
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
