package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"reflect"
	"strings"

	"github.com/caarlos0/env/v11"

	"cambio/exchange"
)

// envPrefix begins every environment variable that is read.
const envPrefix = "CAMBIO_"

// loadConfig reads the file name, if it is not empty, lays environ (NAME=value)
// over it, fills in the defaults and judges the whole.
func loadConfig(name string, environ []string) (Config, error) {
	var c Config
	doc := &document{name: "configuration"}
	if name != "" {
		var err error
		if doc, err = readDocument(name, os.Stdin); err != nil {
			return Config{}, err
		}
		if err := doc.decode(&c); err != nil {
			return Config{}, err
		}
	}
	vars := env.ToMap(environ)
	if err := c.overlay(vars); err != nil {
		return Config{}, err
	}
	c = c.withDefaults()
	return c, refuseConfig(doc, vars, c.problems())
}

// overlay sets what the environment names. One variable is read at a time so
// that an error can say which. An empty variable is an absent one.
func (c *Config) overlay(vars map[string]string) error {
	fields, err := env.GetFieldParamsWithOptions(c, env.Options{Prefix: envPrefix})
	if err != nil {
		return err
	}
	for _, f := range fields {
		one := env.Options{Prefix: envPrefix, Environment: map[string]string{f.Key: vars[f.Key]}}
		if err := env.ParseWithOptions(c, one); err != nil {
			return fmt.Errorf("environment variable %s: %w", f.Key, cause(err, vars[f.Key]))
		}
	}
	return nil
}

// cause drops what the library says about Go types, and the libraries below it
// about their functions.
func cause(err error, value string) error {
	if all, ok := errors.AsType[env.AggregateError](err); ok && len(all.Errors) > 0 {
		if p, ok := errors.AsType[env.ParseError](all.Errors[0]); ok {
			return misread(p.Type, value, p.Err)
		}
		return all.Errors[0]
	}
	return err
}

// misread says what was wanted where a value could not be read. Types of ours
// say so themselves, and do not repeat a value that is secret.
func misread(t reflect.Type, value string, err error) error {
	var want string
	switch t {
	case reflect.TypeFor[bool]():
		want = "true or false"
	case reflect.TypeFor[int]():
		want = "a whole number"
	case reflect.TypeFor[slog.Level]():
		want = "debug, info, warn or error"
	case reflect.TypeFor[netip.Prefix]():
		want = "a network such as 10.0.0.0/8"
	case reflect.TypeFor[[]netip.Prefix]():
		want = "networks such as 10.0.0.0/8,fd00::/8"
	default:
		return err
	}
	return fmt.Errorf("want %s, got %s", want, exchange.Quote(value))
}

// refuseConfig shows each problem where its value comes from: the environment
// or the file.
func refuseConfig(doc *document, vars map[string]string, problems []exchange.Problem) error {
	if len(problems) == 0 {
		return nil
	}
	e := &faults{doc: doc}
	for _, p := range problems {
		f := fault{at: doc.at(p.Path), message: describe(p)}
		if key := variable(reflect.TypeFor[Config](), p.Path[2:], envPrefix); vars[key] != "" {
			f = fault{source: "environment variable " + key, message: p.Message}
		}
		e.list = append(e.list, f)
	}
	return e
}

// variable is the environment variable of the field at path, such as
// tls.certFile.
func variable(t reflect.Type, path, prefix string) string {
	name, rest, nested := strings.Cut(path, ".")
	for f := range t.Fields() {
		if f.Tag.Get("yaml") != name {
			continue
		}
		if nested {
			return variable(f.Type, rest, prefix+f.Tag.Get("envPrefix"))
		}
		return prefix + f.Tag.Get("env")
	}
	return ""
}
