package main

import (
	"context"

	"github.com/spf13/cobra"
)

func (c *cli) detailType() *cobra.Command {
	return c.group("detail-type", "The types of authorization_details",
		`A type of authorization_details (RFC 9396) is registered with a JSON Schema by a
manifest: see cambio apply. A client asks for the types that its detailTypes
list, with a token that has the type's scope. The type checkout is built in.`, `  cat > types.yaml <<'EOF'
  detailTypes:
    - type: payment
      scope: payments:create
      schema: {type: object, properties: {amount: {type: integer, minimum: 1}}, required: [amount]}
  EOF
  cambio apply -f types.yaml
  cambio detail-type list`,
		c.detailTypeList(), c.detailTypeShow(), c.detailTypeRemove())
}

func (c *cli) detailTypeList() *cobra.Command {
	return c.verb("list", "List the types",
		`Lists the registered types of authorization_details.`, `  cambio detail-type list
  cambio detail-type list -o json`,
		cobra.NoArgs, func(ctx context.Context, _ []string) error {
			api, err := c.admin()
			if err != nil {
				return err
			}
			types, err := api.DetailTypes(ctx)
			return c.showUnless(err, types, func() {
				var rows [][]string
				for _, t := range types {
					rows = append(rows, []string{t.Type, t.Scope})
				}
				table(c.out, "TYPE SCOPE", rows)
			})
		})
}

func (c *cli) detailTypeShow() *cobra.Command {
	return c.verb("show TYPE", "Show a type",
		`Shows a type of authorization_details as a manifest declares it.`, `  cambio detail-type show payment`,
		cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
			api, err := c.admin()
			if err != nil {
				return err
			}
			t, err := api.DetailType(ctx, args[0])
			return c.showUnless(err, t, func() { c.yaml(t) })
		})
}

func (c *cli) detailTypeRemove() *cobra.Command {
	return c.verb("remove TYPE", "Remove a type",
		`Removes a type of authorization_details. Nobody gets details of it from the next
request on, and sessions that have some are refused their next refresh: to drop
the details would leave a token that may do more.`, `  cambio detail-type remove payment`,
		cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
			api, err := c.admin()
			if err == nil {
				err = api.RemoveDetailType(ctx, args[0])
			}
			return c.showUnless(err, done{"detail type", args[0], "removed"}, nil)
		})
}
