// Package ddbtest is the stage that tests and the demo stand on: DynamoDB
// engines that look like AWS accounts, faults on the wire, and a witness that
// compares tables. It imports no package of the product, so it cannot share
// the product's mistakes.
//
// # Which functions do I call?
//
//	w := ddbtest.Start(t) // accounts prod and dev, stopped with the test
//	prod, dev := w.Account("prod"), w.Account("dev")
//	orders := ddbtest.Table{Name: "orders", Partition: ddbtest.S("pk"), Sort: ddbtest.N("sk")}
//	prod.CreateTable(ctx, orders)
//	dev.CreateTable(ctx, orders)
//	prod.Fill(ctx, "orders", ddbtest.EdgeItems(orders, 1000, 1))
//	fault := ddbtest.Fault{Op: "BatchWriteItem", Kind: ddbtest.Unprocessed, Probability: 0.3}
//	dev.Proxy.Inject(fault)
//	cmd.Env = w.Env() // the program under test, configured as a user's
//	ddbtest.RequireEqual(t, prod.Client(), dev.Client(), "orders", "orders")
//
// # Worlds and accounts
//
// A World is a set of accounts. An Account is one Dynoxide process ("make
// engines" installs it) behind one Proxy, with an id, a region, keys and a
// profile of its own. The proxy puts the account's id and region into every
// ARN, refuses keys of other accounts, and answers STS GetCallerIdentity and
// AssumeRole on the same port. With WithMoto it also answers the backup calls
// that the engine lacks, restores and point-in-time recovery, and those of Application Auto
// Scaling; and there is an S3 (World.S3) that all accounts share, with faults and a log of
// its own. Each account has two profiles, NAME with long-lived keys and NAME-role with
// temporary ones from AssumeRole.
//
// Account.Client goes straight to the engine: to set up, and to ask what is
// true. Account.ProxyClient goes through the proxy, as the product does.
//
// DYNAMO_TEST_ENDPOINT_A and DYNAMO_TEST_ENDPOINT_B name servers that take the
// place of the first and the second account's engine (DynamoDB Local, moto:
// servers that do not check signatures). The proxy still stands before them.
//
// The engine pays for a scan in segments by the size of the whole table at
// every page. A scan in one piece the proxy passes on in a form that costs it
// the page only (see ease); for 100,000 items that is 1.5 s instead of 55 s.
// More segments make tests slower, not faster.
//
// # Faults
//
// Proxy.Inject adds a Fault, Clear removes all, Fired tells how often one has
// happened. The first fault in order of injection that applies to a request
// has it. Without After a fault strikes before the engine has seen the
// request; with After the engine has applied it.
//
// # What happened
//
// Proxy.Writes lists every write that the engine has really applied,
// Proxy.Requests every request, Proxy.Mutations those that could have changed
// something, Proxy.Violations what DynamoDB's protocol forbids.
//
// # What is true
//
// Diff reads two tables through the SDK's typed client and compares them by
// value: numbers as decimals, sets without order, binary as bytes.
//
// # Promise
//
// For tests of this module only; it changes with them.
package ddbtest
