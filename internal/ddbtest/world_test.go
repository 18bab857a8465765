package ddbtest

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// profile loads a profile of the world as a user's program does.
func profile(t *testing.T, w *World, name string, more ...func(*config.LoadOptions) error) aws.Config {
	t.Helper()
	options := append([]func(*config.LoadOptions) error{
		config.WithSharedConfigProfile(name),
		config.WithSharedConfigFiles([]string{filepath.Join(w.ConfigDir, "config")}),
		config.WithSharedCredentialsFiles([]string{filepath.Join(w.ConfigDir, "credentials")}),
	}, more...)
	c, err := config.LoadDefaultConfig(t.Context(), options...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func create(t *testing.T, a *Account, table Table) {
	t.Helper()
	if err := a.CreateTable(t.Context(), table); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, a *Account, table string, items ...Item) {
	t.Helper()
	if err := a.Fill(t.Context(), table, slices.Values(items)); err != nil {
		t.Fatal(err)
	}
}

func describe(ctx context.Context, c *dynamodb.Client, table string) (*types.TableDescription, error) {
	out, err := c.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(table)})
	if err != nil {
		return nil, err
	}
	return out.Table, nil
}

func requireError(t *testing.T, err error, part string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), part) {
		t.Fatalf("error %v, want one with %q", err, part)
	}
}

func TestProfilesSeeTwoAccounts(t *testing.T) {
	w := Start(t, WithSignatures())
	table := Table{Name: "orders", Partition: S("pk"), Indexes: []Index{{Name: "by-city", Partition: S("city")}}}
	ids := map[string]bool{}
	for _, a := range []*Account{w.Account("prod"), w.Account("dev")} {
		create(t, a, table)
		for _, name := range []string{a.Name, a.Name + "-role"} {
			c := profile(t, w, name)
			who, err := sts.NewFromConfig(c).GetCallerIdentity(t.Context(), nil)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if aws.ToString(who.Account) != a.ID {
				t.Errorf("%s is account %s, want %s", name, aws.ToString(who.Account), a.ID)
			}
			d, err := describe(t.Context(), dynamodb.NewFromConfig(c), "orders")
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if aws.ToString(d.TableArn) != a.TableARN("orders") {
				t.Errorf("%s has ARN %s, want %s", name, aws.ToString(d.TableArn), a.TableARN("orders"))
			}
			ids[aws.ToString(d.TableId)] = true
			if _, err := describe(t.Context(), dynamodb.NewFromConfig(c), aws.ToString(d.TableArn)); err != nil {
				t.Errorf("%s: describe by ARN: %v", name, err)
			}
		}
	}
	if len(ids) != 2 {
		t.Errorf("table ids %v, want two", slices.Collect(maps.Keys(ids)))
	}
}

func TestKeysOfAnotherAccountAreRefused(t *testing.T) {
	w := Start(t, WithAccount("stage", "333333333333", "us-east-1"))
	prod, stage := w.Account("prod"), w.Account("stage")
	create(t, prod, Table{Name: "orders", Partition: S("pk")})
	foreign := dynamodb.NewFromConfig(profile(t, w, "stage"), func(o *dynamodb.Options) { o.BaseEndpoint = aws.String(prod.Endpoint()) })
	_, err := describe(t.Context(), foreign, "orders")
	requireError(t, err, "UnrecognizedClientException")
	_, err = describe(t.Context(), stage.ProxyClient(), prod.TableARN("orders"))
	requireError(t, err, "AccessDeniedException")
	elsewhere := prod.ProxyClient(func(o *dynamodb.Options) { o.Region = "us-west-2" })
	_, err = describe(t.Context(), elsewhere, "orders")
	requireError(t, err, "ResourceNotFoundException")
}

func TestTokensExpireAndAreRenewed(t *testing.T) {
	w := Start(t)
	prod := w.Account("prod")
	create(t, prod, Table{Name: "orders", Partition: S("pk")})
	c := dynamodb.NewFromConfig(profile(t, w, "prod-role"))
	if _, err := describe(t.Context(), c, "orders"); err != nil {
		t.Fatal(err)
	}
	prod.ExpireTokens()
	_, err := describe(t.Context(), c, "orders")
	requireError(t, err, "ExpiredTokenException")
	if _, err := describe(t.Context(), dynamodb.NewFromConfig(profile(t, w, "prod-role")), "orders"); err != nil {
		t.Fatal(err)
	}
}

func TestWrongSignatureIsRefused(t *testing.T) {
	w := Start(t, WithSignatures())
	wrong := w.Account("prod").Credentials()
	wrong.SecretAccessKey += "x"
	c := w.Account("prod").ProxyClient(func(o *dynamodb.Options) { o.Credentials = credentials.StaticCredentialsProvider{Value: wrong} })
	_, err := c.ListTables(t.Context(), nil)
	requireError(t, err, "InvalidSignatureException")
}
