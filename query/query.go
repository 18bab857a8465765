// Package query says what to read of a table, and writes items out.
//
// A [Query] is a selection in people's words. [Query.Compile] checks it against
// what a [Table] is and makes a [Selection] of it: the expressions of a request, in which every
// name is #k0, #k1, … and every value :v0, :v1, …, so that nothing in a key or a name can be
// read as syntax. It knows no AWS client and sends nothing. [NewWriter] writes items in one of
// the [Formats], with every number as it is in the table.
//
// Package table joins the two with an account: see its Query.
package query

import (
	"cmp"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/dynamo-cmdline/dynamo/item"
)

// A Query says which items to read. Key values are texts: a string as it is, a
// number in decimal, a binary in base64.
type Query struct {
	Partition string // of the table's or index's partition key, verbatim
	Sort      string // condition on the sort key, see [ParseSort]; "" for none
	All       bool   // no key: reads everything, by a scan. Without Partition it has to be said

	Index string // a secondary index to look in; "" for the table itself

	Filter string            // a DynamoDB filter expression on what is read; "" for none
	Names  map[string]string // the attribute behind each #name in Filter
	Values map[string]string // the value behind each :value in Filter, see [ParseValue]

	Attributes []string // top-level names, verbatim; nil for all
	KeysOnly   bool     // primary keys instead of items

	Limit    int  // most items of the result; 0 for all
	Reverse  bool // from the largest sort key down
	Eventual bool // eventually consistent reads, at half the cost; a global index has nothing else
	Segments int  // of a scan; 0 chooses from the size of what is read

	Stall time.Duration // give up after so long without any progress; 0 means 15 minutes
}

// An Error is a query that cannot be meant. Hint says what to do about it, and
// may be empty.
type Error struct {
	Hint string
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

func wrong(hint, format string, args ...any) error {
	return &Error{hint, fmt.Errorf(format, args...)}
}

// A Table is what a query has to know about one.
type Table struct {
	Schema  item.Schema
	Indexes []Index
}

// An Index is a secondary index.
type Index struct {
	Name       string
	Schema     item.Schema
	Local      bool
	All        bool     // it has all attributes of the items
	Attributes []string // else these, beside the keys
}

// Check finds what is wrong with the query whatever the table is. The errors
// are an [*Error].
func (q Query) Check() error {
	if err := q.checkText(); err != nil {
		return err
	}
	switch {
	case q.Partition == "" && !q.All:
		return wrong("name a partition key, or say that everything is to be read", "the partition key is empty")
	case q.Partition != "" && q.All:
		return wrong("", "a partition key and everything at once")
	case q.All && q.Sort != "":
		return wrong("give the partition key as well", "a sort key needs a partition key")
	case q.All && q.Reverse:
		return wrong("give a partition key", "a scan has no order to reverse")
	case q.Limit < 0:
		return wrong("", "limit %d: want 1 or more", q.Limit)
	case q.Segments < 0 || q.Segments > 1_000_000:
		return wrong("DynamoDB takes 1 to 1,000,000", "%d segments", q.Segments)
	case q.KeysOnly && q.Attributes != nil:
		return wrong("", "keys only and attributes at once")
	case slices.Contains(q.Attributes, ""):
		return wrong("", "an attribute's name is empty")
	}
	for i, name := range q.Attributes {
		if slices.Contains(q.Attributes[:i], name) {
			return wrong("", "attribute %q stands twice", name)
		}
	}
	if _, err := ParseSort(q.Sort); err != nil {
		return err
	}
	_, err := q.filter(new(expressions))
	return err
}

func (q Query) checkText() error {
	texts := []struct{ what, text string }{
		{"the partition key", q.Partition}, {"the sort key", q.Sort}, {"the index", q.Index}, {"the filter", q.Filter},
	}
	for name, attribute := range q.Names {
		texts = append(texts, struct{ what, text string }{"a name", name + attribute})
	}
	for name, value := range q.Values {
		texts = append(texts, struct{ what, text string }{"a value", name + value})
	}
	for _, name := range q.Attributes {
		texts = append(texts, struct{ what, text string }{"an attribute's name", name})
	}
	for _, t := range texts {
		if !utf8.ValidString(t.text) {
			return wrong("", "%s is not valid UTF-8", t.what)
		}
	}
	return nil
}

// A Selection is a query that fits its table: what the requests for its pages
// say. It is the same for every page, and for a table of another account with the same keys
// it compiles again.
type Selection struct {
	Scan  bool   // there is no key condition
	Index string // "" for the table itself

	// In these texts names are #k0, #k1, … by their place in Names, and values
	// :v0, :v1, … by their place in Values, which are DynamoDB JSON.
	Condition  string
	Filter     string
	Projection string // "" for all that there is; it always has the primary key
	Names      []string
	Values     [][]byte

	Reverse  bool
	Eventual bool
	Limit    int // most items of the whole result; 0 for all
	Segments int // as the Query says

	Keys  []string // the table's key attributes, then those that the index adds
	Only  []string // what to show of an item; nil for all of it
	Whole bool     // items come with all their attributes
	// Lacking is in words what an index has not of the items, or of what the filter is about; ""
	// where nothing is missed.
	Lacking string
	Unseen  bool // the filter names an attribute that the index has not: to it, no item has it

	within bounds // for Holds
}

// Show returns what of an item was asked for: the item itself, or one made of
// the attributes in Only, without those that were read for its key.
func (s Selection) Show(it item.Item) (item.Item, error) {
	if s.Only == nil {
		return it, nil
	}
	scan, err := item.NewScanner(it)
	if err != nil {
		return nil, err
	}
	shown := item.Item{'{'}
	_, err = scan.Members(0, func(i int, raw []byte) (int, error) {
		end, err := scan.Any(i)
		if err != nil {
			return i, err
		}
		name, err := unescape(raw)
		if err != nil || !slices.Contains(s.Only, name) {
			return end, err
		}
		if len(shown) > 1 {
			shown = append(shown, ',')
		}
		shown = append(append(append(shown, '"'), raw...), `":`...)
		shown = append(shown, it[i:end]...)
		return end, nil
	})
	return append(shown, '}'), err
}

// PageLimit is the most items that a page need have: 0 for as many as fit.
func (s Selection) PageLimit() int {
	if s.Filter != "" {
		return 0 // DynamoDB counts before the filter
	}
	return s.Limit
}

// Compile checks the query against the table and says what to send. The errors
// are an [*Error].
func (q Query) Compile(t Table) (Selection, error) {
	if err := q.Check(); err != nil {
		return Selection{}, err
	}
	s := Selection{
		Scan: q.All, Index: q.Index, Reverse: q.Reverse, Eventual: q.Eventual, Limit: q.Limit, Segments: q.Segments,
		Keys: attributes(t.Schema), Whole: q.Attributes == nil && !q.KeysOnly,
	}
	schema, where := t.Schema, "the table"
	var index *Index
	if q.Index != "" {
		i := slices.IndexFunc(t.Indexes, func(x Index) bool { return x.Name == q.Index })
		if i < 0 {
			return s, wrong(indexHint(t), "the table has no index %q", q.Index)
		}
		index = &t.Indexes[i]
		schema, where = index.Schema, fmt.Sprintf("index %q", q.Index)
		s.Eventual = s.Eventual || !index.Local // a global index takes no other reads
		for _, name := range attributes(schema) {
			if !slices.Contains(s.Keys, name) {
				s.Keys = append(s.Keys, name)
			}
		}
	}
	s.within.Schema = schema
	e := new(expressions)
	if !q.All {
		if err := q.condition(&s, e, schema, where); err != nil {
			return s, err
		}
	}
	var err error
	if s.Filter, err = q.filter(e); err != nil {
		return s, err
	}
	s.Unseen = index != nil && slices.ContainsFunc(q.filtered(), func(name string) bool { return !index.has(name, t) })
	if err := q.project(&s, e, t, index); err != nil {
		return s, err
	}
	s.Names, s.Values = e.names, e.values
	return s, nil
}

func attributes(s item.Schema) []string {
	if s.HasSort() {
		return []string{s.Partition.Name, s.Sort.Name}
	}
	return []string{s.Partition.Name}
}

func indexHint(t Table) string {
	if len(t.Indexes) == 0 {
		return "it has no indexes at all"
	}
	hint := "its indexes:"
	for _, i := range t.Indexes {
		hint += fmt.Sprintf(" %s (%s)", i.Name, i.Schema)
	}
	return hint
}

// condition makes the key condition.
func (q Query) condition(s *Selection, e *expressions, schema item.Schema, where string) error {
	value, err := keyValue(q.Partition, schema.Partition, "partition", item.MaxPartition)
	if err != nil {
		return err
	}
	s.Condition, s.within.partition = e.name(schema.Partition.Name)+" = "+e.value(value), q.Partition
	if q.Sort == "" {
		return nil
	}
	if !schema.HasSort() {
		return wrong("", "%s has no sort key: its key is %s", where, schema)
	}
	c, err := ParseSort(q.Sort)
	if err != nil {
		return err
	}
	s.within.sort = c.on(schema.Sort.Type)
	text, err := s.within.sort.compile(e, schema.Sort)
	s.Condition += " AND " + text
	return err
}

// project makes the projection, and says what an index lacks.
func (q Query) project(s *Selection, e *expressions, t Table, index *Index) error {
	wanted := attributes(t.Schema)
	if s.Unseen {
		s.Lacking = fmt.Sprintf("index %q has not all that the filter is about: %s", index.Name, index.lacking())
	}
	switch {
	case q.KeysOnly:
	case q.Attributes != nil:
		s.Only = q.Attributes
		for _, name := range q.Attributes {
			if index != nil && !index.Local && !index.has(name, t) {
				return wrong("leave out --index, or --attributes", "index %q has no attribute %q: %s", index.Name, name, index.lacking())
			}
			if !slices.Contains(wanted, name) {
				wanted = append(wanted, name)
			}
		}
	default:
		if index != nil && !index.All {
			s.Whole, s.Lacking = false, cmp.Or(s.Lacking, fmt.Sprintf("index %q has not all attributes of the items: %s", index.Name, index.lacking()))
		}
		return nil
	}
	for i, name := range wanted {
		if i > 0 {
			s.Projection += ","
		}
		s.Projection += e.name(name)
	}
	return nil
}

// has reports whether the index's entries may have the attribute.
func (i Index) has(name string, t Table) bool {
	return i.All || slices.Contains(i.Attributes, name) || slices.Contains(attributes(t.Schema), name) || slices.Contains(attributes(i.Schema), name)
}

// lacking says in words what the entries have.
func (i Index) lacking() string {
	if len(i.Attributes) == 0 {
		return "only keys are projected"
	}
	names := slices.Sorted(slices.Values(i.Attributes))
	text := "beside keys, only"
	for n, name := range names {
		if n > 0 {
			text += ","
		}
		text += " " + name
	}
	return text + " are projected"
}

// expressions collect the names and values of a request, each once.
type expressions struct {
	names  []string
	values [][]byte
}

func (e *expressions) name(name string) string {
	i := slices.Index(e.names, name)
	if i < 0 {
		i = len(e.names)
		e.names = append(e.names, name)
	}
	return fmt.Sprintf("#k%d", i)
}

func (e *expressions) value(raw []byte) string {
	e.values = append(e.values, raw)
	return fmt.Sprintf(":v%d", len(e.values)-1)
}
