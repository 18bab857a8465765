package table

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// A client of the caller's own goes where the account goes, is as patient, and as safe.
func TestConfigOfAnAccount(t *testing.T) {
	p := newPair(t, ddbtest.Table{})
	own := world.Account("dev").Endpoint()
	for name, environment := range map[string]map[string]string{
		"the profile's endpoint":                      {},
		"over the service's, of the environment":      {"AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:1"},
		"over that of all, of the environment":        {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
		"also where the environment lets none matter": {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
	} {
		t.Run(name, func(t *testing.T) {
			for variable, value := range environment {
				t.Setenv(variable, value)
			}
			o := AccountOptions{Endpoint: own}
			if len(environment) == 0 {
				o = AccountOptions{}
			}
			dev, err := OpenAccount(t.Context(), "dev", o)
			if err != nil {
				t.Fatal(err)
			}
			client := dynamodb.NewFromConfig(dev.Config())
			id := p.dev.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.Error, Code: "InternalServerError", Op: "DescribeTable", Table: p.Name, Count: 1})
			out, err := client.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String(p.Name)})
			if err != nil || *out.Table.TableArn != p.dev.TableARN(p.Name) || p.dev.Proxy.Fired(id) != 1 {
				t.Fatalf("struck %d times, %v", p.dev.Proxy.Fired(id), err)
			}
			if to := aws.ToString(sts.NewFromConfig(dev.Config()).Options().BaseEndpoint); o.Endpoint != "" && to != own {
				t.Errorf("STS is asked at %s", to)
			}
			elsewhere := dynamodb.NewFromConfig(dev.Config(), func(o *dynamodb.Options) { o.BaseEndpoint = aws.String("http://10.0.0.1") })
			if _, err := elsewhere.ListTables(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "in the clear") {
				t.Errorf("a request in the clear met %v", err)
			}
		})
	}
	dev, err := OpenAccount(t.Context(), "dev", AccountOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// What one does to its copy is not the account's.
	changed := dev.Config()
	changed.Region, changed.APIOptions[0] = "elsewhere", nil
	if cfg := dev.Config(); cfg.Region != dev.Region() || cfg.APIOptions[0] == nil {
		t.Error("a Config is shared")
	}
	if names, err := dev.Tables(t.Context()); err != nil || !slices.Contains(names, p.Name) || dev.Profile() != "dev" || dev.Endpoint() != own {
		t.Errorf("%s at %s has %q, %v", dev, dev.Endpoint(), names, err)
	}
	tab, err := dev.Table(p.Name)
	if err != nil || tab.Account() != dev {
		t.Errorf("%v, %v", tab, err)
	}
	_, err = dev.Table("no/name")
	requireKind(t, err, Usage)
}
