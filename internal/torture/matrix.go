package main

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

const (
	refusal = 5
	noGood  = 7
)

// identityGuards: one table on both sides, however it is disguised.
func identityGuards() []guard {
	const same, global = "the same table", "one global table"
	elsewhere := "[profile elsewhere]\nregion = eu-west-1\nendpoint_url = http://127.0.0.1:1\naws_access_key_id = $DEV_KEY\naws_secret_access_key = $DEV_SECRET\n"
	arn := "arn:aws:dynamodb:eu-west-1:222222222222:table/$TABLE"
	return []guard{
		{name: "one profile twice", exit: refusal, says: same, args: []string{"--source", "dev"}},
		{name: "a user and a role of one account", exit: refusal, says: same, args: []string{"--source", "dev", "--target", "dev-role"}},
		{name: "a role and a user of one account", exit: refusal, says: same, args: []string{"--source", "dev-role"}},
		{name: "a name and an ARN", exit: refusal, says: same, args: []string{"--source", "dev", "--target-table", arn}},
		{name: "one endpoint in two spellings", exit: refusal, says: same, args: []string{"--source", "spelt"},
			profile: "[profile spelt]\nregion = eu-west-1\nendpoint_url = $DEV/\naws_access_key_id = $DEV_KEY\naws_secret_access_key = $DEV_SECRET\n"},
		{name: "an endpoint flag joins the sides", exit: refusal, says: same, profile: elsewhere, args: []string{"--source", "elsewhere", "--source-endpoint-url", "$DEV"}},
		{name: "the environment joins the sides", exit: refusal, says: same, profile: elsewhere, args: []string{"--source", "elsewhere"}, env: []string{"AWS_ENDPOINT_URL=$DEV"}},
		{name: "one engine without ids under two names", exit: refusal, says: same, args: []string{"--source", "spelt"},
			profile: "[profile spelt]\nregion = eu-west-1\nendpoint_url = $LOCALDEV\naws_access_key_id = $DEV_KEY\naws_secret_access_key = $DEV_SECRET\n",
			prepare: with(target, ddbtest.Fault{Kind: ddbtest.TableID, Op: "DescribeTable"})},
		{name: "the target is a replica of the source", exit: refusal, says: global, prepare: replica(source)},
		{name: "the source is a replica of the target", exit: refusal, says: global, prepare: replica(target)},
		{name: "the same, and allowed by name", exit: refusal, says: same, args: []string{"--source", "dev", "--allow-protected", "dev/$TABLE"}},
	}
}

// replica has that side say that the other is a replica of it, in another account.
func replica(of side) func(context.Context, *trial) error {
	return func(_ context.Context, t *trial) error {
		arn := t.dev.TableARN(t.target.Name)
		if of == target {
			arn = t.prod.TableARN(t.source.Name)
		}
		t.inject(of, ddbtest.Fault{Kind: ddbtest.Replicas, Op: "DescribeTable", Text: `[{"ReplicaArn":"` + arn + `","ReplicaStatus":"ACTIVE"}]`})
		return nil
	}
}

// schemaGuards: keys that do not fit.
func schemaGuards() []guard {
	const keys = "keys do not fit"
	return []guard{
		{name: "a key of type N", exit: noGood, says: keys, target: ddbtest.Table{Partition: ddbtest.N("pk")}},
		{name: "a key of type B", exit: noGood, says: keys, target: ddbtest.Table{Partition: ddbtest.B("pk")}},
		{name: "a key of another name", exit: noGood, says: keys, target: ddbtest.Table{Partition: ddbtest.S("id")}},
		{name: "a sort key more", exit: noGood, says: keys, target: ddbtest.Table{Partition: ddbtest.S("pk"), Sort: ddbtest.S("sk")}},
	}
}

// with injects one fault that never ends.
func with(side side, f ddbtest.Fault) func(context.Context, *trial) error {
	return func(_ context.Context, t *trial) error {
		t.inject(side, f)
		return nil
	}
}

// stateGuards: tables that are not there, or in no state for a copy.
func stateGuards() []guard {
	all := []guard{
		{name: "no such source", exit: noGood, says: "does not exist", whole: []string{"copy", "--table", "no-such-table", "--target-table", "$TABLE", "--source", "prod", "--target", "dev", "--yes", "--json"}, modes: []string{merge}},
		{name: "no such target", exit: noGood, says: "does not exist", args: []string{"--target-table", "no-such-table"}},
		{name: "a source in another region", exit: noGood, says: "does not exist", args: []string{"--source-region", "us-east-1"}},
		{name: "a target in another region", exit: noGood, says: "does not exist", args: []string{"--target-region", "us-east-1"}},
		{name: "a source that is empty by surprise", exit: refusal, says: "--allow-empty-source", empty: true,
			prepare: with(source, ddbtest.Fault{Kind: ddbtest.ItemCount, Op: "DescribeTable", N: 5000})},
	}
	for _, status := range []string{"DELETING", "ARCHIVING", "ARCHIVED", "INACCESSIBLE_ENCRYPTION_CREDENTIALS"} {
		for _, side := range []side{source, target} {
			all = append(all, guard{name: string(side) + " is " + status, exit: noGood, says: status,
				prepare: with(side, ddbtest.Fault{Kind: ddbtest.TableStatus, Op: "DescribeTable", Text: status})})
		}
	}
	return all
}

// accessGuards: credentials, permissions and endpoints.
func accessGuards() []guard {
	const denied = 6
	deny := func(op string) ddbtest.Fault { return ddbtest.Fault{Kind: ddbtest.Deny, Op: op} }
	return []guard{
		{name: "the source may not be described", exit: denied, says: "not authorized", prepare: with(source, deny("DescribeTable"))},
		{name: "the target may not be described", exit: denied, says: "not authorized", prepare: with(target, deny("DescribeTable"))},
		{name: "the source may not be read", exit: denied, says: "not authorized", prepare: with(source, deny("Scan"))},
		{name: "the target may not be read", exit: denied, says: "not authorized", modes: []string{replace}, prepare: with(target, deny("Scan"))},
		{name: "the source's credentials have expired", exit: denied, says: "aws sso login --profile prod",
			prepare: with(source, ddbtest.Fault{Kind: ddbtest.ExpiredToken})},
		{name: "the target's credentials have expired", exit: denied, says: "aws sso login --profile dev",
			prepare: with(target, ddbtest.Fault{Kind: ddbtest.ExpiredToken})},
		{name: "a role that may not be assumed", exit: denied, says: "sts:AssumeRole", args: []string{"--target", "stranger"},
			profile: "[profile stranger]\nregion = eu-west-1\nservices = dev-local\nrole_arn = arn:aws:iam::999999999999:role/x\nsource_profile = dev\n"},
		{name: "keys that are nobody's", exit: denied, says: "nobodys", args: []string{"--target", "nobodys"},
			profile: "[profile nobodys]\nregion = eu-west-1\nendpoint_url = $DEV\naws_access_key_id = AKIANOBODY\naws_secret_access_key = x\n"},
		{name: "a profile that does not exist", exit: 2, says: "does not exist", args: []string{"--target", "nobody"}},
		{name: "plain http to another machine", exit: 2, says: "in the clear", args: []string{"--target-endpoint-url", "http://db.example.com"}},
		{name: "plain http to another machine for credentials", exit: 2, says: "in the clear", args: []string{"--target", "plain"},
			profile: "[profile plain]\nregion = eu-west-1\nservices = plain\nrole_arn = arn:aws:iam::222222222222:role/x\nsource_profile = dev\n" +
				"[services plain]\ndynamodb =\n  endpoint_url = $DEV\nsts =\n  endpoint_url = http://sts.example.com\n"},
		{name: "an endpoint with a password", exit: 2, says: "a user or a password", args: []string{"--target-endpoint-url", "http://me:$DEV_SECRET@127.0.0.1:1"}},
		{name: "a program for credentials that prints no JSON", exit: denied, says: "not JSON, at byte", args: []string{"--target", "torn"},
			profile: "[profile torn]\nregion = eu-west-1\nendpoint_url = $DEV\ncredential_process = echo '{\"AccessKeyId\":\"$DEV_KEY\",\"SecretAccessKey\":\"$DEV_SECRET'\n"},
		{name: "a service that repeats a key", exit: denied, says: "not with ***", prepare: func(_ context.Context, t *trial) error {
			t.inject(source, ddbtest.Fault{Kind: ddbtest.Error, Op: "Scan", Code: "AccessDeniedException", Text: "not with " + t.prod.Credentials().SecretAccessKey})
			return nil
		}},
		{name: "a source that cannot be reached", exit: 1, says: "prod", args: []string{"--source-endpoint-url", "http://127.0.0.1:1"}},
		{name: "a target that cannot be reached", exit: 1, says: "dev", args: []string{"--target-endpoint-url", "http://127.0.0.1:1"}},
	}
}

// confirmGuards: nobody has said yes, or not to this.
func confirmGuards() []guard {
	yes, backwards := []string{"--yes"}, []string{"--source", "dev", "--target", "prod"}
	emptied, once := []string{"truncate", "--table", "$TABLE", "--no-backup", "--yes", "--json", "--run-dir", "$RUNS"}, []string{replace}
	protect := func(what string) map[string]string {
		return map[string]string{"dynamo.yaml": "protected:\n  " + what + "\n"}
	}
	all := []guard{
		{name: "no terminal and no --yes", exit: refusal, says: "not confirmed", without: yes},
		{name: "yes on standard input", exit: refusal, says: "not confirmed", without: yes, stdin: "y\ny\nyes\n"},
		{name: "yes in the environment", exit: refusal, says: "not confirmed", without: yes, env: []string{"CI=true", "DYNAMO_YES=1", "YES=1"}},
		{name: "named as protected, which is no yes", exit: refusal, says: "not confirmed", without: yes, args: append(backwards, "--allow-protected", "prod/$TABLE")},
		{name: "a profile called prod", exit: refusal, says: "is protected", args: backwards},
		{name: "allowed under a table's name alone", exit: refusal, says: "is protected", args: append(backwards, "--allow-protected", "$TABLE")},
		{name: "allowed under a profile's name alone", exit: refusal, says: "is protected", args: append(backwards, "--allow-protected", "prod")},
		{name: "allowed for another table", exit: refusal, says: "is protected", args: append(backwards, "--allow-protected", "prod/other")},
		{name: "allowed for another profile", exit: refusal, says: "is protected", args: append(backwards, "--allow-protected", "dev/$TABLE")},
		{name: "allowed for everything", exit: refusal, says: "is protected", args: append(backwards, "--allow-protected", "*")},
		{name: "a protected account", exit: refusal, says: "is protected", files: protect(`accounts: ["222222222222"]`)},
		{name: "a protected account by a role", exit: refusal, says: "is protected", files: protect(`accounts: ["222222222222"]`), args: []string{"--target", "dev-role"}},
		{name: "a protected profile", exit: refusal, says: "is protected", files: protect("profiles: [dev]")},
		{name: "a protected table", exit: refusal, says: "is protected", files: protect("tables: [$TABLE]")},
		{name: "deletion protection", exit: refusal, says: "is protected", prepare: func(ctx context.Context, t *trial) error {
			_, err := t.dev.Client().UpdateTable(ctx, &dynamodb.UpdateTableInput{TableName: aws.String(t.target.Name), DeletionProtectionEnabled: aws.Bool(true)})
			t.protected = true
			return err
		}},
		{name: "the profile in force is prod's", exit: refusal, says: "is protected", whole: emptied, env: []string{"AWS_PROFILE=prod"}, modes: once},
		{name: "the default profile in force is prod's", exit: refusal, says: "is protected", whole: emptied, env: []string{"AWS_DEFAULT_PROFILE=prod"}, modes: once},
		{name: "a protected profile in force", exit: refusal, says: "listed as protected", whole: emptied, env: []string{"AWS_PROFILE=dev"}, files: protect("profiles: [dev]"), modes: once},
		{name: "a profile in force beside keys", exit: refusal, says: "is protected", whole: emptied, modes: once,
			env: []string{"AWS_PROFILE=prod", "AWS_ACCESS_KEY_ID=$DEV_KEY", "AWS_SECRET_ACCESS_KEY=$DEV_SECRET", "AWS_ENDPOINT_URL=$DEV"}},
		{name: "tables protected by a glob", exit: refusal, says: "is protected", files: protect(`tables: ["?*"]`)},
		{name: "a table protected by its ARN", exit: refusal, says: "is protected", files: protect(`tables: ["arn:aws:dynamodb:eu-west-1:222222222222:table/$TABLE"]`)},
		{name: "an account id that has lost its zero", exit: 2, says: "no account id", files: protect("accounts: [22222222222]")},
		{name: "what is protected stands in a second document", exit: 2, says: "second document", files: map[string]string{"dynamo.yaml": "tables: [orders]\n---\nprotected: [dev]\n"}},
		{name: "what is protected stands in dynamo.yml", exit: 2, says: "is not read", files: map[string]string{"dynamo.yml": "protected: [dev]\n"}},
		{name: "a configuration that names an endpoint", exit: 2, says: "unknown key", files: map[string]string{"dynamo.yaml": "endpoint: http://127.0.0.1:1\n"}},
		{name: "an unknown flag", exit: 2, says: "--bogus", args: []string{"--bogus"}},
		{name: "a stray argument", exit: 2, says: "unexpected argument", args: []string{"orders"}},
		{name: "an empty value", exit: 2, says: "empty value", args: []string{"--target", ""}},
		{name: "a dry run", exit: 0, says: "dry_run", args: []string{"--dry-run"}},
		{name: "a dry run without --yes", exit: 0, says: "dry_run", without: yes, args: []string{"--dry-run"}},
	}
	return all
}
