// Command cambio is a token-exchange server: a browser app without a backend
// presents the ID token of a login it already has, and gets a scoped session for
// its API. `cambio help` lists its commands.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"cambio/cmd/cambio/docs"
	"cambio/cmd/cambio/serving"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the program at once. Within the first second it is
	// ignored: timeout(1) and others signal the process and then its group.
	context.AfterFunc(ctx, func() { time.AfterFunc(time.Second, stop) })
	serving.LimitMemory(os.DirFS("/"), os.Getenv)
	c := &cli{in: os.Stdin, out: os.Stdout, err: os.Stderr, environ: os.Environ()}
	code := c.main(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// release describes the binary, as the toolchain recorded it.
type release struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
}

func (c *cli) version() *cobra.Command {
	return c.verb("version", "Print the version",
		`Prints the version, the commit it was built from and the Go version.`, `  cambio version -o json`,
		cobra.NoArgs, func(context.Context, []string) error {
			r := built()
			return c.show(r, func() { fmt.Fprintln(c.out, strings.TrimSpace("cambio "+r.Version+" "+r.Revision), r.Go) })
		})
}

func built() release {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return release{Version: "(unknown)"}
	}
	r := release{Version: info.Main.Version, Go: info.GoVersion}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			r.Revision = s.Value
		}
	}
	return r
}

func (c *cli) docs() *cobra.Command {
	cmd := c.verb("docs [TOPIC]", "Read the manual",
		`Prints a topic of the manual as Markdown, or the list of topics.`, `  cambio docs
  cambio docs errors`,
		cobra.MaximumNArgs(1), func(_ context.Context, args []string) error {
			topics, err := docs.Topics()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return c.show(topics, func() { topicTable.print(c.out, topics...) })
			}
			i := slices.IndexFunc(topics, func(t docs.Topic) bool { return t.Name == args[0] })
			if i < 0 {
				return hinted(fmt.Errorf("no topic %q in the manual", args[0]), "see the list of topics: cambio docs")
			}
			return c.show(topics[i], func() { fmt.Fprint(c.out, topics[i].Text) })
		})
	cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var names []string
		if topics, err := docs.Topics(); err == nil {
			for _, t := range topics {
				names = append(names, t.Name+"\t"+t.Title)
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
	return cmd
}

var topicTable = table[docs.Topic]{"TOPIC TITLE", func(t docs.Topic) []string { return []string{t.Name, t.Title} }}
