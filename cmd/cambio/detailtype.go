package main

import (
	"github.com/spf13/cobra"

	"cambio/exchange"
	"cambio/exchange/admin"
)

func (c *cli) detailType() *cobra.Command {
	types := table[exchange.DetailType]{"TYPE SCOPE", func(t exchange.DetailType) []string { return []string{t.Type, t.Scope} }}
	return c.group("detail-type", "Manage types of authorization_details",
		`A type of authorization_details (RFC 9396) is registered with a JSON Schema in a
manifest: see cambio apply. A client requests the types that its detailTypes
list, with a token that has the type's scope. The type checkout is built in.`, `  cat > types.yaml <<'EOF'
  detailTypes:
    - type: payment
      scope: payments:create
      schema: {type: object, properties: {amount: {type: integer, minimum: 1}}, required: [amount]}
  EOF
  cambio apply -f types.yaml
  cambio detail-type list`,
		c.verb("list", "List the types",
			`Lists the registered types of authorization_details.`, `  cambio detail-type list
  cambio detail-type list -o json`,
			cobra.NoArgs, list(c, types, (*admin.Client).DetailTypes)),
		c.verb("show TYPE", "Show a type",
			`Shows a type of authorization_details as a manifest declares it.`, `  cambio detail-type show payment`,
			cobra.ExactArgs(1), get(c, (*admin.Client).DetailType, func(t exchange.DetailType) { c.yaml(t) })),
		c.verb("remove TYPE", "Remove a type",
			`Removes a type of authorization_details. From the next request on it is granted
to no client, and sessions that have details of it are refused their next refresh:
dropping the details would leave a token that may do more.`, `  cambio detail-type remove payment`,
			cobra.ExactArgs(1), c.act("detail type", "removed", (*admin.Client).RemoveDetailType)),
	)
}
