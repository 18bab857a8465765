package table

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/dynamo-cmdline/dynamo/internal/account"
)

// List returns the names of all tables in the table's account and region. The
// errors are an [*Error].
func (t *Table) List(ctx context.Context) ([]string, error) {
	var names []string
	in := &dynamodb.ListTablesInput{}
	err := account.Pages(func(token string) (string, error) {
		if token != "" {
			in.ExclusiveStartTableName = aws.String(token)
		}
		page, err := t.client.ListTables(ctx, in)
		if err != nil {
			return "", err
		}
		names = append(names, page.TableNames...)
		return aws.ToString(page.LastEvaluatedTableName), nil
	})
	if err != nil {
		return nil, t.explain(ctx, "list the tables", err)
	}
	return names, nil
}
