package table

import (
	"reflect"
	"strings"
	"testing"
)

// The words that protect, and where a word ends.
func TestAlarmingWords(t *testing.T) {
	for name, want := range map[string]string{
		"prod": "prod", "prod2": "prod", "2prod": "prod", "orders-prod1": "prod", "ordersProd": "Prod", "ordersPROD": "PROD", "PRODOrders": "PROD", "PRODorders": "PROD",
		"Prod": "Prod", "prd": "prd", "eu.prd.orders": "prd", "PRODUCTION": "PRODUCTION", "orders_live": "live", "liveOrders": "live", "LIVE1": "LIVE", "my prod": "prod",
		"pre-prod-prod": "prod", "nonsense-prod": "prod", "nope-live": "live", "prod-non": "prod", "prodé": "prod",
		"non-prod": "", "nonProd": "", "NonPROD": "", "not_live": "", "no-prd": "", "pre.production": "", "preProd": "", "PRE-PROD": "", "pre-prod2": "",
		"product": "", "products": "", "deliverables": "", "alive": "", "preprod": "", "nonprod": "", "": "", "prodigy": "", "reproduction": "", "lived-in": "",
	} {
		if got := alarm(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

// An entry that can match nothing is refused.
func TestGuardEntries(t *testing.T) {
	const arn = "arn:aws:dynamodb:eu-west-1:222222222222:table/"
	for _, c := range []struct {
		what string
		good bool
		of   Guard
	}{
		{"accounts", true, Guard{Accounts: []string{"222222222222", "0123-4567-8901", "2222 2222 2222"}}},
		{"profiles", true, Guard{Profiles: []string{"dev", "my prod", "default", "of-others", "222222222222"}}},
		{"tables", true, Guard{Tables: []string{"orders", "orders-*", "*", "o[a-z]?*", arn + "orders", arn + "orders-*", "dev/orders", "my prod/*", "222222222222"}}},
		{"no entries", true, Guard{}},
	} {
		if err := c.of.Check(); err != nil {
			t.Errorf("%s: %v", c.what, err)
		}
	}
	for list, entries := range map[string][]string{
		"accounts": {"", "12345678901", "1234567890123", "222222222222x", "dev", "*", "22222222222?", "arn:aws:iam::222222222222:root", "２２２２２２２２２２２２", "2.2e11"},
		"profiles": {"", " ", " dev", "dev ", "*", "prod-*", "dev?", "[dev]", "dev/orders", "arn:aws:iam::222222222222:root"},
		"tables": {
			"", " ", " orders", "orders ", "or ders", "ab", "??", "[ab]c", "or[ders", strings.Repeat("o", 256), "orders/", "/orders", "dev /orders", "dev*/orders", "bestellungen-für-alle", `or\*ders`,
			"arn:aws:dynamodb:eu-west-1:22222222222:table/orders", "arn:aws:dynamodb:*:222222222222:table/orders", "arn:aws:dynamodb::222222222222:table/orders",
			arn + "orders/index/by-g", arn, "arn:aws:s3:::orders", "arn:aws:dynamodb:eu-west-1:2222-2222-2222:table/orders",
		},
	} {
		for _, entry := range entries {
			g := map[string]Guard{"accounts": {Accounts: []string{entry}}, "profiles": {Profiles: []string{entry}}, "tables": {Tables: []string{entry}}}[list]
			requireKind(t, g.Check(), Usage)
		}
	}
	for entry, want := range map[string]Guard{
		"222222222222":   {[]string{"222222222222"}, []string{"222222222222"}, []string{"222222222222"}},
		"2222 2222 2222": {Accounts: []string{"2222 2222 2222"}, Profiles: []string{"2222 2222 2222"}},
		"orders":         {Profiles: []string{"orders"}, Tables: []string{"orders"}},
		"orders-*":       {Tables: []string{"orders-*"}},
		"dev/orders":     {Tables: []string{"dev/orders"}},
		"my prod":        {Profiles: []string{"my prod"}},
		"ab":             {Profiles: []string{"ab"}},
		arn + "orders":   {Tables: []string{arn + "orders"}},
	} {
		if got, err := GuardOf(entry); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %+v, %v", entry, got, err)
		}
	}
	for _, entry := range []string{"", " ", "12345678901", "1-2", " orders", "a b*", "arn:aws:iam::222222222222:root"} {
		_, err := GuardOf(entry)
		requireKind(t, err, Usage)
	}
}

func TestListedTables(t *testing.T) {
	d := Description{Profile: "dev", Account: "222222222222", Region: "eu-west-1", Table: "orders-eu"}
	const arn = "arn:aws:dynamodb:eu-west-1:222222222222:table/"
	for entry, want := range map[string]bool{
		"orders-eu": true, "orders-*": true, "*": true, "orders": false, "orders-u*": false, "Orders-*": false,
		"dev/orders-eu": true, "dev/*": true, "stage/orders-eu": false, "default/orders-eu": false,
		arn + "orders-eu": true, arn + "orders-*": true, arn + "customers": false,
		"arn:aws:dynamodb:us-east-1:222222222222:table/orders-eu": false, "arn:aws:dynamodb:eu-west-1:111111111111:table/orders-eu": false,
	} {
		if got := (Guard{Tables: []string{entry}}).Protects(d) != ""; got != want {
			t.Errorf("%s: got %t", entry, got)
		}
	}
	d.Profile = ""
	for _, g := range []Guard{{Profiles: []string{"default"}}, {Tables: []string{"default/orders-eu"}}, {Accounts: []string{"2222-2222 2222"}}} {
		if g.Protects(d) == "" {
			t.Errorf("%+v does not protect it where no profile is in force", g)
		}
	}
	if warnings := (Guard{Profiles: []string{"dev", "of-others", "orders"}, Tables: []string{"orders", "of-others/x-*", arn + "x"}}).strangers(); len(warnings) != 1 || !strings.Contains(warnings[0], "of-others") {
		t.Errorf("warnings %q", warnings)
	}
}
