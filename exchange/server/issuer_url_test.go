package server

import "testing"

func TestIssuerURL(t *testing.T) {
	for issuer, good := range map[string]bool{
		"https://id.example": true, "https://id.example/a/b": true, "http://127.0.0.1:8080": true,
		"": false, "id.example": false, "https://id.example/": true, "https://id.example/a/": true, "https://id.example//": false, "https://id.example?a": false, "https://id.example?": false,
		"https://id.example#": false, "https://u@id.example": false, "ftp://id.example": false, "https://id.example/%41": false,
	} {
		if _, err := baseURL(issuer); (err == nil) != good {
			t.Errorf("%q: %v", issuer, err)
		}
	}
}
