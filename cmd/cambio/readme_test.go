package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What the README tells operators to write is what the program reads.
func TestReadmeSamples(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	manifests, configs := 0, 0
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(readme), -1) {
		name := filepath.Join(t.TempDir(), "sample.yaml")
		if err := os.WriteFile(name, []byte(block[1]), 0o600); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(block[1], "issuers:") || strings.HasPrefix(block[1], "clients:") {
			manifests++
			_, err = readTrust(name, nil)
		} else {
			configs++
			_, err = loadConfig(name, nil)
		}
		if err != nil {
			t.Errorf("%v in\n%s", err, block[1])
		}
	}
	if manifests < 2 || configs < 1 {
		t.Errorf("found %d manifests and %d configurations", manifests, configs)
	}
}
