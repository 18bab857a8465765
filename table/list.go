package table

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// List returns the names of all tables in a profile's account and region. The
// errors are an [*Error].
func List(ctx context.Context, profile string, a Access) ([]string, error) {
	t, err := Open(ctx, profile, "any", a) // the name is not used
	if err != nil {
		return nil, err
	}
	var names []string
	pages := dynamodb.NewListTablesPaginator(t.client, &dynamodb.ListTablesInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, t.controlError("list tables, as", err)
		}
		names = append(names, page.TableNames...)
	}
	return names, nil
}
