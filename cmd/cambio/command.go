package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"cambio/exchange/admin"
)

// runFunc does what a command says.
type runFunc func(ctx context.Context, args []string) error

// usageError is a command line that was not understood.
type usageError struct {
	cmd *cobra.Command
	err error
}

func (e *usageError) Error() string { return e.err.Error() }

func usage(cmd *cobra.Command, err error) error { return &usageError{cmd, err} }

// group returns a command that only holds other commands.
func group(use, short, long, example string, verbs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long, Example: example,
		SilenceErrors: true, SilenceUsage: true, SuggestionsMinimumDistance: 2,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownVerb(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(verbs...)
	return cmd
}

func unknownVerb(cmd *cobra.Command, name string) error {
	text := fmt.Sprintf("unknown command %q for %q", name, cmd.CommandPath())
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		text += fmt.Sprintf("; did you mean %s?", strings.Join(near, " or "))
	}
	return usage(cmd, errors.New(text))
}

// verb returns a command that does something.
func (c *cli) verb(use, short, long, example string, args cobra.PositionalArgs, run runFunc) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Long: long, Example: example,
		SilenceErrors: true, SilenceUsage: true, SuggestionsMinimumDistance: 2, DisableFlagsInUseLine: true,
		Args: func(cmd *cobra.Command, given []string) error {
			err := args(cmd, given)
			switch {
			case err != nil && cmd.HasSubCommands():
				return unknownVerb(cmd, given[0])
			case err != nil:
				return usage(cmd, miscounted(use, given, err))
			}
			if c.output != "text" && c.output != "json" {
				return usage(cmd, fmt.Errorf("--output is text or json, not %q", c.output))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, given []string) error { return run(cmd.Context(), given) },
	}
}

// miscounted names the argument that is missing or one too many, as the usage
// line calls it. Where the usage line leaves the number open, it returns err.
func miscounted(use string, given []string, err error) error {
	var names []string
	words := strings.Fields(use)[1:]
	for i := 0; i < len(words) && words[i] != "|"; i++ {
		switch word := words[i]; {
		case strings.HasPrefix(word, "["):
			for i < len(words)-1 && !strings.HasSuffix(words[i], "]") {
				i++
			}
		case strings.HasPrefix(word, "-"):
			i++ // its value
		default:
			names = append(names, word)
		}
	}
	switch {
	case len(given) < len(names):
		return fmt.Errorf("%s is missing", strings.TrimSuffix(names[len(given)], "..."))
	case strings.Contains(use, "..."):
		return err
	}
	return fmt.Errorf("unexpected argument %q", given[len(given)-1])
}

// check makes what is wrong with flags and arguments together a usage error.
func check(cmd *cobra.Command, wrong func(args []string) error) {
	before := cmd.Args
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if err := before(cmd, args); err != nil {
			return err
		}
		if err := wrong(args); err != nil {
			return usage(cmd, err)
		}
		return nil
	}
}

// required makes the absence of a flag a usage error.
func required(cmd *cobra.Command, flag string) {
	check(cmd, func([]string) error {
		if !cmd.Flags().Changed(flag) {
			return fmt.Errorf("--%s is missing", flag)
		}
		return nil
	})
}

// request returns the run function of a command that shows what a call of the
// admin API returns: as JSON, or as print writes it unless that is nil.
func request[T any](c *cli, call func(ctx context.Context, api *admin.Client, args []string) (T, error), print func(T)) runFunc {
	return func(ctx context.Context, args []string) error {
		api, err := c.admin()
		if err != nil {
			return err
		}
		v, err := call(ctx, api, args)
		if err != nil {
			return err
		}
		if print == nil {
			return c.show(v, nil)
		}
		return c.show(v, func() { print(v) })
	}
}

// list returns the run function of a command that prints records in columns.
// The call is a method of admin.Client.
func list[T any](c *cli, t table[T], call func(*admin.Client, context.Context) ([]T, error)) runFunc {
	return request(c, func(ctx context.Context, api *admin.Client, _ []string) ([]T, error) {
		return call(api, ctx)
	}, func(records []T) { t.print(c.out, records...) })
}

// get returns the run function of a command that shows the record that its
// argument names. The call is a method of admin.Client.
func get[T any](c *cli, call func(*admin.Client, context.Context, string) (T, error), print func(T)) runFunc {
	return request(c, func(ctx context.Context, api *admin.Client, args []string) (T, error) {
		return call(api, ctx, args[0])
	}, print)
}

// act returns the run function of a command that changes the record that its
// argument names. The call is a method of admin.Client.
func (c *cli) act(kind, action string, call func(*admin.Client, context.Context, string) error) runFunc {
	return request(c, func(ctx context.Context, api *admin.Client, args []string) (outcome, error) {
		return outcome{kind, args[0], action}, unknown(kind, call(api, ctx, args[0]))
	}, c.printOutcome)
}

// outcome is the output of a command that changed one record.
type outcome struct {
	Kind   string `json:"kind"`
	ID     string `json:"id"`
	Action string `json:"action"`
}

func (c *cli) printOutcome(o outcome) { fmt.Fprintln(c.out, o.Kind, o.ID, o.Action) }

// maxPage is the most records that one response of the admin API holds.
const maxPage = 1000

// pages collects up to limit records in as many requests as that takes, because
// the server bounds what it reads for each response. It returns where the next
// page begins, empty at the end.
func pages[T any](from string, limit int, get func(from string, limit int) (page []T, next string, err error)) (all []T, next string, err error) {
	all, next = []T{}, from
	for {
		var page []T
		if page, next, err = get(next, min(limit, maxPage)); err != nil {
			return all, "", err
		}
		all, limit = append(all, page...), limit-len(page)
		if next == "" || limit <= 0 {
			return all, next, nil
		}
	}
}

// pageFlags adds the flags of a command that lists a page at a time.
func pageFlags(cmd *cobra.Command, from *string, limit *int) {
	cmd.Flags().StringVar(from, "from", "", "continue at this `position`, printed after the previous page")
	cmd.Flags().IntVar(limit, "limit", 100, "at most this many")
}

// printNext says how to go on where a page does not end the list.
func (c *cli) printNext(next string) {
	if next != "" {
		fmt.Fprintf(c.err, "there are more: --from %s\n", next)
	}
}

// unknown adds a hint where there is no record of a kind with the given ID.
func unknown(kind string, err error) error {
	return hintedOn(err, http.StatusNotFound, "see: cambio "+strings.ReplaceAll(kind, " ", "-")+" list")
}

// hintedOn adds a hint to an error response of the admin API with a status.
func hintedOn(err error, status int, hint string) error {
	if e, ok := errors.AsType[*admin.Error](err); ok && e.Status == status {
		return hinted(err, hint)
	}
	return err
}
