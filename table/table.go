// Package table is the front door: an account, the DynamoDB tables in it, and what can be done with them.
//
// [OpenAccount] for a profile of the AWS shared config, take its tables ([Account.Table]), then call [Table.Copy]: the
// receiver is the source, its argument the target.
//
//	prod, err := table.OpenAccount(ctx, "prod", table.AccountOptions{})
//	dev, err := table.OpenAccount(ctx, "dev", table.AccountOptions{})
//	from, err := prod.Table("orders")
//	to, err := dev.Table("orders")
//	summary, err := from.Copy(ctx, to, table.CopyOptions{Mode: table.Merge})
//
// [Open] is the short way to one table.
//
// Everything that the dynamo command does is here, guards included. The command adds the question
// ([CopyOptions.Confirm]), the progress bar ([CopyOptions.Watch]) and the exit code ([Error.Kind]).
//
// The API may change until version 1.
package table

import (
	"context"
	"strings"
)

// A Table is a table of an [Account]. It may be used from many goroutines.
type Table struct {
	account *Account
	name    string
}

// Open returns the named table as the profile sees it: [OpenAccount] and [Account.Table] in one.
func Open(ctx context.Context, profile, name string, o AccountOptions) (*Table, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	a, err := OpenAccount(ctx, profile, o)
	if err != nil {
		return nil, err
	}
	return a.Table(name)
}

// Account is the one that the table is seen through.
func (t *Table) Account() *Account { return t.account }

// notices are what the user should know of how the table is reached; of none there is nothing to say.
func (t *Table) notices() []string {
	if t == nil {
		return nil
	}
	return t.account.at.Notices()
}

// Name is the table's name as it was opened, which may be an ARN.
func (t *Table) Name() string { return t.name }

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// nameCharacters are those of a table's name.
const nameCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

// checkName holds the name to DynamoDB's rule for tables.
func checkName(name string) error {
	base := name
	if strings.HasPrefix(name, "arn:") {
		_, base, _ = strings.Cut(name, ":table/")
	}
	ok := len(base) >= 3 && len(base) <= 255 && strings.Trim(base, nameCharacters) == ""
	if !ok {
		return usage("a table name has 3 to 255 of the characters a-z A-Z 0-9 _ . -", "%q is not a table name", name)
	}
	return nil
}
