package main

import (
	"context"

	"github.com/spf13/cobra"

	"cambio/exchange/admin"
)

func (c *cli) clock() *cobra.Command {
	return group("clock", "Manage the server's trust in its clock",
		`After a jump of the wall clock by more than 30 s, and at a start more than 10 minutes
after the last sweep, the server deletes nothing that has expired and rotates no key
until the clock has been steady for an hour: otherwise a clock that is ahead for a
minute would make single-use tokens acceptable again. A refresh that only such a
clock takes for expired is refused with CLOCK_UNSTEADY, which ends no session.`, `  date
  cambio clock confirm`,
		c.verb("confirm", "Confirm that the clock is right",
			`Makes the server trust its wall clock at once. Compare it with another one first.`, `  date
  cambio clock confirm`,
			cobra.NoArgs, request(c, func(ctx context.Context, api *admin.Client, _ []string) (outcome, error) {
				return outcome{"clock", "of the server", "confirmed"}, api.ConfirmClock(ctx)
			}, c.printOutcome)))
}
