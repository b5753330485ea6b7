package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"cambio/cmd/cambio/docs"
)

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
