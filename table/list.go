package table

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// List returns the names of all tables in the table's account and region. The
// errors are an [*Error].
func (t *Table) List(ctx context.Context) ([]string, error) {
	var names []string
	pages := dynamodb.NewListTablesPaginator(t.client, &dynamodb.ListTablesInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, t.explain(ctx, "list the tables", err)
		}
		names = append(names, page.TableNames...)
	}
	return names, nil
}
