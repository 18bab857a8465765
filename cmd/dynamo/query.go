package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/dynamo-cmdline/dynamo/cmd/dynamo/internal/show"
	"github.com/dynamo-cmdline/dynamo/item"
	"github.com/dynamo-cmdline/dynamo/query"
	"github.com/dynamo-cmdline/dynamo/table"
)

// queryOptions are the flags of query.
type queryOptions struct {
	end    end
	table  string
	query  query.Query
	head   bool
	count  bool
	unique string       // attribute; "" for items
	output query.Format // "" chooses
	cells  bool         // CSV is for a spreadsheet
	json   bool         // is spoken, unless output says otherwise
}

func queryCommand(s *show.Streams) *cli.Command {
	return &cli.Command{
		Name: "query", Usage: "look at items of a table or index",
		UsageText: `dynamo query --table orders customer#42 --env prod
dynamo query --table orders customer#42 --sk 'order#2026' --env prod --head
dynamo query --table orders customer#42 --sk 'between order#1 and order#5' --reverse --limit 10
dynamo query --table orders customer#42 --env prod --unique status
dynamo query --table orders --pk ann@example.com --index by-email --output csv
dynamo query --table orders customer#42 --filter '#s = :s' --name '#s=status' --value ':s="open"'
dynamo query --table orders --env prod --count        # no key: reads the whole table`,
		ArgsUsage: "[PARTITION-KEY]",
		Description: `Reads the items under a partition key, of the table or of an index, to the last page. Key values take
their type from the table: a string, a number, or a binary in base64. --sk is a prefix (on a number
the value), or an operator and its value: '= v', '< v', '<= v', '> v', '>= v', 'between a and b',
'begins_with v'. After an operator a value may be a JSON string: 'between "a and b" and "c"'; a plain
value that begins like an operator is written 'begins_with …'. A key that begins with - is given as --pk=-5.
Without a key it scans: the whole table or index is read, and billed.

--head, --unique and --count read the whole result too, unless --limit says otherwise.
--output csv is exact, line ends and control characters too, but on a terminal, which gets those escaped; for a
spreadsheet add --spreadsheet: texts that it would run then begin with '. json, jsonl and ddb are exact.

Exit codes: 0 done, 1 failed, 2 usage or configuration, 6 credentials or permission, 7 table missing,
130 interrupted, 143 terminated.`,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "table", Aliases: []string{"t"}, Usage: "look into `NAME`"},
			&cli.StringFlag{Name: "pk", Usage: "partition key `V`, verbatim; or as the one argument"},
			&cli.StringFlag{Name: "sk", Usage: "sort key: a prefix `V`, or an operator and its value"},
			&cli.StringFlag{Name: "index", Aliases: []string{"i"}, Usage: "look in the secondary index `NAME`"},
			&cli.StringFlag{Name: "filter", Usage: "DynamoDB filter `EXPRESSION` on what is read"},
			&cli.StringSliceFlag{Name: "name", Usage: "`#n=attribute` of the filter; repeatable"},
			&cli.StringSliceFlag{Name: "value", Usage: "`:v=JSON` of the filter, DynamoDB JSON or a plain scalar; repeatable"},
			&cli.StringSliceFlag{Name: "attributes", Usage: "only these top-level `NAMES`, comma separated, in double quotes where one holds a comma"},
			&cli.BoolFlag{Name: "head", Usage: "print the first item only", DisableDefaultText: true},
			&cli.StringFlag{Name: "unique", Aliases: []string{"u"}, Usage: "print the distinct values of `ATTRIBUTE`, one a line"},
			&cli.BoolFlag{Name: "count", Usage: "print the number of items only", DisableDefaultText: true},
			&cli.IntFlag{Name: "limit", Usage: "at most `N` items", DefaultText: "all"},
			&cli.BoolFlag{Name: "reverse", Usage: "from the largest sort key down", DisableDefaultText: true},
			&cli.BoolFlag{Name: "eventual", Usage: "eventually consistent reads: half the read cost", DisableDefaultText: true},
			&cli.BoolFlag{Name: "spreadsheet", Usage: "with --output csv: a ' before texts that a spreadsheet would run", DisableDefaultText: true},
			&cli.StringFlag{Name: "output", Usage: "`FORMAT`: table, json, jsonl, ddb, csv or yaml", DefaultText: "table on a terminal, else jsonl"},
		}, envFlags(s)...),
		OnUsageError: usageError,
		Action: func(c *cli.Context) error {
			o, err := queryFlags(c)
			if err != nil {
				return err
			}
			return runQuery(c.Context, o, s)
		},
	}
}

func queryFlags(c *cli.Context) (queryOptions, error) {
	o := queryOptions{
		end: endFlags(c, "env"), table: c.String("table"),
		head: c.Bool("head"), count: c.Bool("count"), json: c.Bool("json"), unique: c.String("unique"), output: query.Format(c.String("output")), cells: c.Bool("spreadsheet"),
		query: query.Query{
			Sort: c.String("sk"), Index: c.String("index"), Filter: c.String("filter"), Limit: c.Int("limit"),
			Reverse: c.Bool("reverse"), Eventual: c.Bool("eventual"), Stall: c.Duration("max-retry-time"),
		},
	}
	if err := noEmptyValues(c); err != nil {
		return o, err
	}
	var err error
	if o.query.Partition, o.query.All, err = partitionKey(c); err != nil {
		return o, err
	}
	if o.query.Names, err = pairs(c.StringSlice("name"), "--name '#n=attribute'"); err != nil {
		return o, err
	}
	if o.query.Values, err = pairs(c.StringSlice("value"), `--value ':v="text"'`); err != nil {
		return o, err
	}
	if o.query.Attributes, err = attributeNames(c.StringSlice("attributes")); err != nil {
		return o, err
	}
	switch {
	case o.table == "":
		return o, badUsage("see: dynamo query --help", "--table NAME is missing")
	case c.IsSet("limit") && o.query.Limit < 1:
		return o, badUsage("", "--limit %d: want 1 or more", o.query.Limit)
	}
	return o, o.results()
}

// partitionKey takes the one argument or --pk; without either everything is
// to be read.
func partitionKey(c *cli.Context) (key string, all bool, err error) {
	switch {
	case c.NArg() > 1:
		hint := "quote a key that holds blanks"
		if c.String("table") == "" {
			hint = "did you mean: --table " + c.Args().First()
		}
		return "", false, badUsage(hint, "unexpected argument %q", c.Args().Get(1))
	case c.NArg() == 1 && c.IsSet("pk"):
		return "", false, badUsage("give one of them", "the partition key is given twice: %q and --pk %q", c.Args().First(), c.String("pk"))
	case c.NArg() == 1 && c.Args().First() == "":
		return "", false, badUsage("is a variable not set?", "the partition key is empty")
	case c.NArg() == 1:
		return c.Args().First(), false, nil
	}
	return c.String("pk"), !c.IsSet("pk"), nil
}

// pairs reads NAME=VALUE flags.
func pairs(list []string, form string) (map[string]string, error) {
	found := make(map[string]string, len(list))
	for _, text := range list {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return nil, badUsage("as "+form, "%q has no =", text)
		}
		if _, twice := found[name]; twice {
			return nil, badUsage("", "%s is given twice", name)
		}
		found[name] = value
	}
	return found, nil
}

// attributeNames reads comma separated names, as CSV quotes them.
func attributeNames(list []string) ([]string, error) {
	var names []string
	for _, text := range list {
		r := csv.NewReader(strings.NewReader(text))
		found, err := r.Read()
		if _, more := r.Read(); err != nil || !errors.Is(more, io.EOF) {
			return nil, badUsage(`as --attributes 'a,"b,c"'`, "--attributes %s cannot be read", text)
		}
		names = append(names, found...)
	}
	return names, nil
}

// results settles what is printed, and what has to be read for it.
func (o *queryOptions) results() error {
	chosen := 0
	for _, is := range []bool{o.head, o.count, o.unique != ""} {
		if is {
			chosen++
		}
	}
	values := o.count || o.unique != ""
	switch {
	case chosen > 1:
		return badUsage("give one of them", "--head, --unique and --count are three different results")
	case values && o.query.Attributes != nil:
		return badUsage("", "--attributes says what to show of items, and no items are shown")
	case o.cells && o.output != query.CSV:
		return badUsage("add --output csv", "--spreadsheet means nothing without --output csv")
	case values && o.output != "":
		return badUsage("", "--output is a form of items, and no items are shown")
	case o.json && o.output != "" && o.output != query.JSON && o.output != query.JSONLines && o.output != query.DynamoLines:
		return badUsage("", "--json, and --output %s", o.output)
	}
	switch {
	case o.count:
		o.query.KeysOnly = true
	case o.unique != "":
		o.query.Attributes = []string{o.unique}
	}
	_, err := query.NewWriter(io.Discard, o.format(false), query.Options{})
	return asUsage(err)
}

func (o *queryOptions) format(terminal bool) query.Format {
	switch {
	case o.output != "":
		return o.output
	case o.json:
		return query.JSON
	case terminal:
		return query.Aligned
	}
	return query.JSONLines
}

// asUsage makes a complaint of the package query a usage error.
func asUsage(err error) error {
	var bad *query.Error
	if errors.As(err, &bad) {
		return badUsage(bad.Hint, "%w", err)
	}
	return err
}

// runQuery prints what is selected, and how many items that were.
func runQuery(ctx context.Context, o queryOptions, s *show.Streams) error {
	t, err := o.end.table(ctx, o.table, s)
	if err != nil {
		return err
	}
	plan, err := t.PlanQuery(ctx, o.query)
	if err != nil {
		return interrupted(ctx, err)
	}
	o.tell(plan, s)

	reading, stop := show.UntilClosed(ctx, s.Out)
	defer stop()
	defer s.Data()()
	out := show.NewOutput(s.DataTo())
	n, omitted, err := o.print(plan.Read(reading), plan.Selection.Keys, out, s)
	if flushed := out.Flush(); err == nil || errors.Is(flushed, show.ErrClosed) {
		err = flushed
	}
	if errors.Is(err, show.ErrClosed) {
		return nil
	}
	if err != nil {
		if flushed := out.Flush(); flushed != nil {
			err = fmt.Errorf("write the result: %w", flushed)
		}
		if err = interrupted(ctx, err); out.Begun() {
			s.Spoken() // no object behind what was printed
		}
		return err
	}
	if len(omitted) > 0 {
		s.Note(fmt.Sprintf("not shown: %s (see --attributes and --output)", show.List(omitted, 12)))
	}
	if s.JSON {
		s.Log().Info("queried", "items", n)
	} else if !s.Quiet {
		s.Say("%d items queried.\n", n)
	}
	return nil
}

// tell says, before it is done, what is to be known about it.
func (o *queryOptions) tell(plan *table.QueryPlan, s *show.Streams) {
	for _, note := range plan.Notes {
		s.Note(note)
	}
	if !plan.Selection.Scan {
		return
	}
	what := "all of " + plan.Table.String()
	if o.query.Index != "" {
		what = "all of index " + o.query.Index + " of " + plan.Table.String()
	}
	s.Note(fmt.Sprintf("no key: scanning %s: about %s items, %s, %s read units", what, show.Count(plan.Items), show.Size(plan.Bytes), show.Count(int64(plan.Units+0.999))))
}

// print reads all items and writes what was asked for.
func (o *queryOptions) print(items iter.Seq2[item.Item, error], keys []string, out *show.Output, s *show.Streams) (n int64, omitted []string, err error) {
	if o.count {
		for _, err := range items {
			if err != nil {
				return n, nil, err
			}
			n++
		}
		show.Say(out, "%d\n", n)
		return n, nil, nil
	}
	w, err := o.writer(keys, out, s)
	if err != nil {
		return 0, nil, err
	}
	for it, err := range items {
		if err == nil && (n == 0 || !o.head) {
			err = w.Write(it)
		}
		if err == nil && n == 0 && o.head { // shown at once: the rest is only counted
			err = errors.Join(w.Close(), out.Flush())
		}
		if err != nil {
			w.Abandon()
			return n, nil, err
		}
		n++
	}
	if n == 0 || !o.head {
		err = w.Close()
	}
	if items, ok := w.(*query.Writer); ok {
		omitted = items.Omitted()
	}
	return n, omitted, err
}

// An itemWriter is a writer of items or of their values.
type itemWriter interface {
	Write(it item.Item) error
	Close() error
	Abandon()
}

func (o *queryOptions) writer(keys []string, out *show.Output, s *show.Streams) (itemWriter, error) {
	if o.unique != "" {
		return query.NewValues(out, o.unique, s.JSON), nil
	}
	options := query.Options{Keys: keys, Attributes: o.query.Attributes, Spreadsheet: o.cells, Visible: show.IsTerminal(s.Out)}
	if width, _, err := term.GetSize(int(s.Out.Fd())); err == nil {
		options.Width = width
	}
	w, err := query.NewWriter(out, o.format(show.IsTerminal(s.Out)), options)
	return w, asUsage(err)
}
