package table

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
	"github.com/dynamo-cmdline/dynamo/query"
)

// The shapes of table that a query may meet, each with an index of every kind.
func queryShapes() []ddbtest.Table {
	indexes := func(partition ddbtest.Attr) []ddbtest.Index {
		return []ddbtest.Index{
			{Name: "all", Partition: ddbtest.S("status"), Sort: ddbtest.N("a.b")},
			{Name: "keys", Partition: ddbtest.N("a.b"), Projection: types.ProjectionTypeKeysOnly},
			{Name: "some", Partition: ddbtest.S("status"), Sort: ddbtest.B("size"), Projection: types.ProjectionTypeInclude, Attributes: []string{"text"}},
			{Name: "local", Partition: partition, Sort: ddbtest.N("a.b"), Local: true, Projection: types.ProjectionTypeAll},
		}
	}
	shapes := []ddbtest.Table{
		{Partition: ddbtest.S("name")},                            // a reserved word
		{Partition: ddbtest.S("p.k"), Sort: ddbtest.S("#sk")},     // what an expression would take apart
		{Partition: ddbtest.S("group"), Sort: ddbtest.N(":v0")},   // what an expression would take for a value
		{Partition: ddbtest.B("bytes"), Sort: ddbtest.B("order")}, // reserved both
		{Partition: ddbtest.N("number"), Sort: ddbtest.N("year")}, // reserved both
	}
	for i := range shapes {
		shapes[i].Indexes = indexes(shapes[i].Partition)
		if shapes[i].Sort.Name == "" { // no local index without a sort key
			shapes[i].Indexes = shapes[i].Indexes[:3]
		}
	}
	return shapes
}

// sample values of a key: few, so that conditions hit, and odd.
func sample(kind types.ScalarAttributeType, r *rand.Rand) types.AttributeValue {
	switch kind {
	case types.ScalarAttributeTypeN:
		list := []string{"0", "-1", "5", "10", "1.5", "1E20", "-2.5E-10", "12345678901234567890123456789012345678"}
		return &types.AttributeValueMemberN{Value: list[r.IntN(len(list))]}
	case types.ScalarAttributeTypeB:
		list := [][]byte{{0}, {0, 0}, {0, 255}, {255}, {255, 1}, []byte("ab"), []byte("abc"), {128}}
		return &types.AttributeValueMemberB{Value: list[r.IntN(len(list))]}
	}
	list := []string{"a", "ab", "abc", "b and c", "é", "😀", "order#1", "order#10", "= x", "between", ":v0", "#k0", `"q"`, "a\nb"}
	return &types.AttributeValueMemberS{Value: list[r.IntN(len(list))]}
}

func sampleItems(shape ddbtest.Table, n int) []ddbtest.Item {
	r := rand.New(rand.NewPCG(7, uint64(n)))
	found := map[string]bool{}
	var items []ddbtest.Item
	for range n {
		it := ddbtest.Item{shape.Partition.Name: sample(shape.Partition.Type, r)}
		names := []string{shape.Partition.Name}
		if shape.Sort.Name != "" {
			it[shape.Sort.Name] = sample(shape.Sort.Type, r)
			names = append(names, shape.Sort.Name)
		}
		for _, attr := range []ddbtest.Attr{ddbtest.S("status"), ddbtest.N("a.b"), ddbtest.B("size")} {
			if r.IntN(4) > 0 {
				it[attr.Name] = sample(attr.Type, r)
			}
		}
		it["text"] = &types.AttributeValueMemberS{Value: strings.Repeat("x", r.IntN(20_000))}
		it["set"] = &types.AttributeValueMemberNS{Value: []string{"1", "2"}}
		if key := ddbtest.KeyOf(it, names...); !found[key] {
			found[key] = true
			items = append(items, it)
		}
	}
	return items
}

// text is a key value as a person types it.
func text(v types.AttributeValue) string {
	switch v := v.(type) {
	case *types.AttributeValueMemberN:
		return v.Value
	case *types.AttributeValueMemberB:
		return base64.StdEncoding.EncodeToString(v.Value)
	case *types.AttributeValueMemberS:
		return v.Value
	}
	panic("no key value")
}

// quotedText is one that follows an operator, as JSON where it has to be.
func quotedText(v types.AttributeValue) string {
	s := text(v)
	if strings.ContainsAny(s, " \n\"=") || s == "between" {
		return fmt.Sprintf("%q", s)
	}
	return s
}

func less(a, b types.AttributeValue) bool {
	switch a := a.(type) {
	case *types.AttributeValueMemberN:
		order := []string{"-1", "-2.5E-10", "0", "1.5", "5", "10", "1E20", "12345678901234567890123456789012345678"}
		return slices.Index(order, a.Value) < slices.Index(order, text(b))
	case *types.AttributeValueMemberB:
		return bytes.Compare(a.Value, b.(*types.AttributeValueMemberB).Value) < 0
	}
	return text(a) < text(b)
}

// asked is one random query, for us and for a plain program on the SDK.
type asked struct {
	query query.Query
	input *dynamodb.QueryInput
	scan  *dynamodb.ScanInput
}

// ask makes a random query. What the plain program sends is written here by
// hand, with names of its own.
func ask(shape ddbtest.Table, r *rand.Rand) asked {
	partition, sort, index := shape.Partition, shape.Sort, (*ddbtest.Index)(nil)
	if i := r.IntN(len(shape.Indexes) + 1); i > 0 {
		index = &shape.Indexes[i-1]
		partition, sort = index.Partition, index.Sort
	}
	q := query.Query{Reverse: r.IntN(3) == 0, Eventual: r.IntN(2) == 0}
	names, values := map[string]string{"#p": partition.Name}, map[string]types.AttributeValue{}
	in := &dynamodb.QueryInput{TableName: &shape.Name, ScanIndexForward: aws.Bool(!q.Reverse)}
	condition := "#p = :p"
	values[":p"] = sample(partition.Type, r)
	q.Partition = text(values[":p"])
	if sort.Name != "" && r.IntN(5) > 0 {
		names["#s"] = sort.Name
		a, b := sample(sort.Type, r), sample(sort.Type, r)
		if less(b, a) {
			a, b = b, a
		}
		values[":a"] = a
		number := sort.Type == types.ScalarAttributeTypeN
		switch op := []string{"=", "<", "<=", ">", ">=", "between", "begins_with", ""}[r.IntN(8)]; {
		case op == "between":
			values[":b"] = b
			condition += " AND #s BETWEEN :a AND :b"
			q.Sort = "between " + quotedText(a) + " and " + quotedText(b)
		case (op == "begins_with" || op == "") && !number:
			if s, ok := a.(*types.AttributeValueMemberS); ok {
				a = &types.AttributeValueMemberS{Value: string([]rune(s.Value)[:1])}
				values[":a"] = a
			}
			condition += " AND begins_with(#s, :a)"
			q.Sort = "begins_with " + quotedText(a)
			if bare := text(a); op == "" && strings.IndexAny(bare, "=<>") != 0 && bare != "between" {
				q.Sort = bare
			}
		case op == "" || op == "begins_with":
			condition += " AND #s = :a"
			q.Sort = text(a)
		default:
			condition += " AND #s " + op + " :a"
			q.Sort = op + " " + quotedText(a)
		}
	}
	filter := ""
	switch r.IntN(4) {
	case 0:
		names["#f"], values[":f"] = "set", &types.AttributeValueMemberN{Value: "2"}
		filter, q.Filter = "contains(#f, :f)", "contains(#k0, :v0)" // placeholders that look like ours
		q.Names, q.Values = map[string]string{"#k0": "set"}, map[string]string{":v0": "2"}
	case 1:
		values[":f"] = &types.AttributeValueMemberS{Value: "nobody"}
		names["#f"] = "set"
		filter, q.Filter = "#f <> :f", "#n <> :text"
		q.Names, q.Values = map[string]string{"#n": "set"}, map[string]string{":text": `{"S":"nobody"}`}
	}
	if r.IntN(4) == 0 && (index == nil || index.Projection == "" || index.Projection == types.ProjectionTypeAll) {
		names["#x"], names["#y"] = "set", "a.b"
		in.ProjectionExpression = aws.String("#x, #y")
		q.Attributes = []string{"a.b", "set"}
	}
	if index != nil {
		in.IndexName, q.Index = &index.Name, index.Name
	}
	if filter != "" {
		in.FilterExpression = &filter
	}
	in.KeyConditionExpression, in.ExpressionAttributeNames, in.ExpressionAttributeValues = &condition, names, values
	if r.IntN(12) > 0 {
		return asked{query: q, input: in}
	}
	// Without a key it is a scan.
	q.Partition, q.Sort, q.Reverse, q.All = "", "", false, true
	for _, name := range []string{":p", ":a", ":b"} {
		delete(values, name)
	}
	for _, name := range []string{"#p", "#s"} {
		delete(names, name)
	}
	scan := &dynamodb.ScanInput{TableName: in.TableName, IndexName: in.IndexName, FilterExpression: in.FilterExpression, ProjectionExpression: in.ProjectionExpression}
	if len(names) > 0 {
		scan.ExpressionAttributeNames = names
	}
	if len(values) > 0 {
		scan.ExpressionAttributeValues = values
	}
	return asked{query: q, scan: scan}
}

// answer is the plain program's.
func (a asked) answer(ctx context.Context, client *dynamodb.Client) (list []string, err error) {
	add := func(items []ddbtest.Item) {
		for _, it := range items {
			list = append(list, ddbtest.DigestOf(it))
		}
	}
	if a.scan != nil {
		pages := dynamodb.NewScanPaginator(client, a.scan)
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, err
			}
			add(page.Items)
		}
		return list, nil
	}
	pages := dynamodb.NewQueryPaginator(client, a.input)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		add(page.Items)
	}
	return list, nil
}

// read is our answer.
func read(ctx context.Context, t *Table, q query.Query) (list []string, err error) {
	for it, err := range t.Query(ctx, q) {
		if err != nil {
			return list, err
		}
		typed, err := attributevalue.UnmarshalMapJSON(it)
		if err != nil {
			return list, err
		}
		list = append(list, ddbtest.DigestOf(typed))
	}
	return list, nil
}

// A thousand random queries answer what a plain program on the SDK does.
func TestQueryAnswersAsThePlainProgram(t *testing.T) {
	t.Parallel()
	for i, shape := range queryShapes() {
		t.Run(shape.Partition.Name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, shape)
			p.fill(t, p.prod, slices.Values(sampleItems(p.Table, 150)))
			source, _ := p.open(t)
			r := rand.New(rand.NewPCG(1, uint64(i)))
			hits := 0
			for n := range 200 {
				a := ask(p.Table, r)
				want, err := a.answer(t.Context(), p.prod.Client())
				if err != nil {
					t.Fatalf("query %d: the plain program: %v\n%+v", n, err, a.query)
				}
				got, err := read(t.Context(), source, a.query)
				if err != nil {
					t.Fatalf("query %d: %v\n%+v", n, err, a.query)
				}
				if a.query.All || a.query.Index != "" { // equal keys of an index have no order
					slices.Sort(want)
					slices.Sort(got)
				}
				if !slices.Equal(got, want) {
					t.Fatalf("query %d: %d items, the plain program has %d\n%+v", n, len(got), len(want), a.query)
				}
				if len(got) > 0 {
					hits++
				}
			}
			if hits < 60 {
				t.Errorf("%d of 200 queries found something: this shows little", hits)
			}
		})
	}
}

// queried is a pair whose prod table has 40 items under each of two keys.
func queried(t *testing.T) pair {
	t.Helper()
	p := newPair(t, ddbtest.Table{Sort: ddbtest.N("sk"), Indexes: []ddbtest.Index{
		{Name: "keys", Partition: ddbtest.S("type"), Projection: types.ProjectionTypeKeysOnly},
		{Name: "some", Partition: ddbtest.S("type"), Projection: types.ProjectionTypeInclude, Attributes: []string{"n"}},
		{Name: "local", Partition: ddbtest.S("pk"), Sort: ddbtest.S("type"), Local: true, Projection: types.ProjectionTypeKeysOnly},
	}})
	p.fill(t, p.prod, func(yield func(ddbtest.Item) bool) {
		for i := range 80 {
			number := &types.AttributeValueMemberN{Value: fmt.Sprint(i)}
			it := ddbtest.Item{"pk": &types.AttributeValueMemberS{Value: []string{"a", "b"}[i%2]}, "sk": number, "n": number,
				"type": &types.AttributeValueMemberS{Value: "order"}, "pad": &types.AttributeValueMemberS{Value: strings.Repeat("x", 30_000)}}
			if !yield(it) {
				return
			}
		}
	})
	return p
}

// requireRequests checks how many calls about prod's table there were; op "" is
// any. A call is in the log soon after its answer, so it waits for those that are missing.
func (p pair) requireRequests(t *testing.T, op string, want int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for {
		n := 0
		for _, r := range p.prod.Proxy.Requests() {
			if r.Table == p.Name && (op == "" || r.Op == op) {
				n++
			}
		}
		if n == want {
			return
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
		}
		if n > want || ctx.Err() != nil {
			t.Fatalf("%d requests %s, want %d", n, op, want)
		}
	}
}

// Whatever goes wrong on the way, every item comes, once and in order.
func TestQueryThroughFaults(t *testing.T) {
	t.Parallel()
	p := queried(t)
	source, _ := p.open(t)
	for _, q := range []query.Query{{Partition: "a"}, {All: true}, {All: true, Segments: 4}} {
		op := "Query"
		if q.All {
			op = "Scan"
		}
		want, err := read(t.Context(), source, q)
		if n := map[bool]int{false: 40, true: 80}[q.All]; err != nil || len(want) != n {
			t.Fatalf("%+v: %d items, %v", q, len(want), err)
		}
		for _, kind := range []ddbtest.Kind{ddbtest.Throttle, ddbtest.InternalError, ddbtest.EmptyOK, ddbtest.EmptyObject, ddbtest.Truncate, ddbtest.FlipByte,
			ddbtest.MissingItems, ddbtest.CountMismatch, ddbtest.UnknownTag, ddbtest.Reset, ddbtest.CloseInside, ddbtest.EmptyPages} {
			id := p.prod.Proxy.Inject(ddbtest.Fault{Kind: kind, Op: op, Table: p.Name, Count: 2, Skip: 1})
			got, err := read(t.Context(), source, q)
			fired := p.prod.Proxy.Fired(id)
			p.prod.Proxy.Remove(id)
			if q.Segments > 1 {
				slices.Sort(want)
				slices.Sort(got)
			}
			if err != nil || !slices.Equal(got, want) || fired == 0 {
				t.Errorf("%+v with %s (struck %d times): %d items of %d, %v", q, kind, fired, len(got), len(want), err)
			}
		}
	}
}

// A query that is told to give up does, and says why.
func TestQueryGivesUp(t *testing.T) {
	t.Parallel()
	p := queried(t)
	source, _ := p.open(t)
	p.prod.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.Throttle, Op: "Query", Table: p.Name})
	_, err := read(t.Context(), source, query.Query{Partition: "a", Stall: time.Second})
	requireKind(t, err, Failed)
	if !strings.Contains(err.Error(), "no progress for") {
		t.Errorf("got %v", err)
	}
	p.prod.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.Deny, Op: "Scan", Table: p.Name})
	_, err = read(t.Context(), source, query.Query{All: true})
	requireKind(t, err, Denied)
}

// Who leaves the loop has no goroutine, and no request, behind them.
func TestQueryLeft(t *testing.T) { // alone: it counts goroutines
	p := queried(t)
	for _, q := range []query.Query{{Partition: "a"}, {All: true, Segments: 8}} {
		source, _ := p.open(t)
		check := requireNoLeak(t)
		n := 0
		for _, err := range source.Query(t.Context(), q) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == 3 {
				break
			}
		}
		check()
	}
	p.requireRequests(t, "Query", 1) // three items of one page
	source, _ := p.open(t)
	if list, err := read(t.Context(), source, query.Query{Partition: "a", Limit: 3}); err != nil || len(list) != 3 {
		t.Errorf("%d items with a limit of 3, %v", len(list), err)
	}
	p.requireRequests(t, "Query", 2) // one more
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	stop := errors.New("stop")
	for it, err := range source.Query(ctx, query.Query{All: true, Segments: 8}) {
		if err == nil {
			cancel(stop)
			continue
		}
		if it != nil || !errors.Is(err, stop) {
			t.Errorf("got %v", err)
		}
	}
}

// A large table is scanned in parallel, and so large is told by AWS.
func TestQueryScansInParallel(t *testing.T) {
	t.Parallel()
	p := queried(t)
	source, _ := p.open(t)
	p.prod.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.TableSize, Op: "DescribeTable", Table: p.Name, N: 40 << 20})
	plan, err := source.PlanQuery(t.Context(), query.Query{All: true, KeysOnly: true})
	if err != nil || plan.segments != 8 || plan.Units != 40<<20/4096 {
		t.Fatalf("%d segments, %v units, %v", plan.segments, plan.Units, err)
	}
	n := 0
	for it, err := range plan.Read(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(it), "pad") {
			t.Fatalf("keys only, and %s", it[:80])
		}
		n++
	}
	if n != 80 {
		t.Errorf("%d items", n)
	}
	p.requireRequests(t, "Scan", 10) // one for each segment, and two more where 2.4 MB lie under two keys
	if plan, err = source.PlanQuery(t.Context(), query.Query{All: true, Limit: 5}); err != nil || plan.segments != 1 {
		t.Errorf("%d segments for five items, %v", plan.segments, err)
	}
}

// What cannot be meant is refused, and no item is read for it.
func TestQueryRefuses(t *testing.T) {
	t.Parallel()
	p := queried(t)
	source, _ := p.open(t)
	described := 0
	for _, c := range []struct {
		name     string
		q        query.Query
		describe bool // the table had to be asked
		want     string
	}{
		{"neither key nor all", query.Query{}, false, "the partition key is empty"},
		{"invalid UTF-8", query.Query{Partition: "\xff"}, false, "not valid UTF-8"},
		{"a filter's value that is missing", query.Query{Partition: "a", Filter: "#a = :b", Names: map[string]string{"#a": "x"}}, false, ":b has no value"},
		{"an index that is not there", query.Query{Partition: "a", Index: "none"}, true, `no index "none"`},
		{"a number that is none", query.Query{Partition: "a", Sort: "abc"}, true, `"abc" is none`},
		{"begins_with on a number", query.Query{Partition: "a", Sort: "begins_with 1"}, true, "does not work on the number"},
		{"a sort key that the index lacks", query.Query{Partition: "a", Index: "keys", Sort: "1"}, true, "has no sort key"},
		{"an attribute that the index lacks", query.Query{Partition: "order", Index: "some", Attributes: []string{"n", "pad"}}, true, `no attribute "pad"`},
	} {
		_, err := read(t.Context(), source, c.q)
		requireKind(t, err, Usage)
		if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", c.name, err)
		}
		if c.describe {
			described++
		}
		p.requireRequests(t, "DescribeTable", described)
		p.requireRequests(t, "", described)
	}
	_, err := read(t.Context(), source, query.Query{Partition: "a", Filter: "pad ="})
	requireKind(t, err, Usage) // DynamoDB's own complaint
}

// What an index lacks is said, and nothing where nothing is lacking.
func TestQueryPlanSays(t *testing.T) {
	t.Parallel()
	p := queried(t)
	source, _ := p.open(t)
	for _, c := range []struct {
		q     query.Query
		note  string
		whole bool
	}{
		{query.Query{Partition: "a"}, "", true},
		{query.Query{Partition: "order", Index: "keys"}, `index "keys" has not all attributes of the items: only keys are projected`, false},
		{query.Query{Partition: "order", Index: "some"}, "beside keys, only n are projected", false},
		{query.Query{Partition: "order", Index: "some", Attributes: []string{"n"}}, "", false},
		{query.Query{Partition: "a", Index: "local"}, "only keys are projected", false},
	} {
		plan, err := source.PlanQuery(t.Context(), c.q)
		if err != nil {
			t.Fatal(err)
		}
		if notes := strings.Join(plan.Notes, "; "); (notes == "") != (c.note == "") || !strings.Contains(notes, c.note) || plan.Selection.Whole != c.whole {
			t.Errorf("%+v: %q, whole: %v", c.q, notes, plan.Selection.Whole)
		}
	}
}

func TestUnmarshal(t *testing.T) {
	t.Parallel()
	p := queried(t)
	source, _ := p.open(t)
	type order struct {
		Customer string `dynamodbav:"pk"`
		Number   int    `dynamodbav:"sk"`
		Tags     []string
	}
	var got []order
	for it, err := range source.Query(t.Context(), query.Query{Partition: "b", Sort: "<= 5", Attributes: []string{"pk", "sk"}}) {
		if err != nil {
			t.Fatal(err)
		}
		var o order
		if err := Unmarshal(it, &o); err != nil {
			t.Fatal(err)
		}
		got = append(got, o)
	}
	if want := []order{{Customer: "b", Number: 1}, {Customer: "b", Number: 3}, {Customer: "b", Number: 5}}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if err := Unmarshal([]byte(`{"pk":`), new(order)); err == nil {
		t.Error("half an item passes")
	}
}
