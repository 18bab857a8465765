package ddbtest

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// MaxItem is DynamoDB's limit per item, names and values, in bytes.
const MaxItem = 400 << 10

var (
	edgeNumbers = []string{
		"0", "-0", "1", "1.0", "1E0", "-1", "0.1", "00042", "1.50E2", "12345678901234567890123456789012345678",
		"-12345678901234567890123456789012345678", "0.12345678901234567890123456789012345678", "1E125", "-1E125",
		"9.9999999999999999999999999999999999999E+125", "1E-130", "-1E-130", "1234567890.0987654321", "3.14159265358979323846",
	}
	edgeStrings = []string{
		"", " ", "\x00", "\x01\x1f\x7f", "\t\r\n", `"`, `\`, `\"`, "</script>", "é", "e\u0301", "\u2028\u2029", "😀𝒳", "\u202egnp.exe",
		"\ufeff", "\ufffd", "\u0085\u009b", "\x1b]52;c;YQ==\x07", "=1+1", "שלום", "null", "{}", `{"S":"x"}`, strings.Repeat("long ", 300),
	}
	edgeBinaries = [][]byte{{}, {0}, {0xff}, {0, 0xff, 0, 0xff}, []byte("text"), {0xc3, 0x28}}
	edgeNames    = []string{
		"size", "name", "status", "a.b", "a b", "a-b", "#", ":v", `"`, `\`, "é", "e\u0301", "\u2028", "😀", "Items", "S", "__proto__",
		"UnprocessedItems", "\x01", "'", "a[0]", "LastEvaluatedKey",
	}
)

// EdgeItems makes n items with keys that fit the table and with attributes of
// all ten types, at the edges of what DynamoDB takes. The same seed makes the
// same items. Item 199 and every 5,000th have exactly 409,600 bytes.
func EdgeItems(t Table, n int, seed uint64) iter.Seq[Item] {
	return func(yield func(Item) bool) {
		for i := range n {
			item := Item{t.Partition.Name: edgeKey(t.Partition.Type, i, t.Sort.Name == "")}
			if t.Sort.Name != "" {
				// Partitions of up to eight items.
				item[t.Partition.Name] = edgeKey(t.Partition.Type, i/8, true)
				item[t.Sort.Name] = edgeKey(t.Sort.Type, i, true)
			}
			random := rand.New(rand.NewPCG(seed, uint64(i)))
			for _, x := range t.Indexes {
				for _, attr := range []Attr{x.Partition, x.Sort} {
					if attr.Name != "" && item[attr.Name] == nil {
						item[attr.Name] = edgeKey(attr.Type, random.IntN(50), true)
					}
				}
			}
			if i == 199 || i%5000 == 4999 {
				growTo(item, MaxItem)
			} else {
				addEdges(item, random, i)
			}
			if !yield(item) {
				return
			}
		}
	}
}

// edgeKey is a key value that stands for i alone: the first few are odd, the others count.
func edgeKey(kind types.ScalarAttributeType, i int, odd bool) types.AttributeValue {
	switch kind {
	case types.ScalarAttributeTypeN:
		numbers := []string{"0", "-1", "0.5", "1E125", "-1E-130", "12345678901234567890123456789012345678", "1E2", "-9.99E125"}
		if i < len(numbers) {
			return &types.AttributeValueMemberN{Value: numbers[i]}
		}
		return &types.AttributeValueMemberN{Value: strconv.Itoa(i + 1000)}
	case types.ScalarAttributeTypeB:
		binaries := [][]byte{{0}, {0xff}, {0, 0}, {0xff, 0xff}, {0, 0xff}, []byte("0")}
		if i < len(binaries) {
			return &types.AttributeValueMemberB{Value: binaries[i]}
		}
		return &types.AttributeValueMemberB{Value: binary.BigEndian.AppendUint64([]byte{0x80, 0xff}, uint64(i))}
	}
	texts := []string{" ", `"`, "é", "e\u0301", "\u2028", "😀", "a#b", "a|b", `\`, "\x01", "\x7f", "0", "00"}
	if odd && i < len(texts) {
		return &types.AttributeValueMemberS{Value: texts[i]}
	}
	return &types.AttributeValueMemberS{Value: fmt.Sprintf("key#%08d", i)}
}

// addEdges gives an item attributes. Each of the ten types is in every item.
func addEdges(item Item, random *rand.Rand, i int) {
	number := func() string { return edgeNumbers[random.IntN(len(edgeNumbers))] }
	text := func() string { return edgeStrings[random.IntN(len(edgeStrings))] }
	put := func(name string, v types.AttributeValue) {
		if _, taken := item[name]; !taken {
			item[name] = v
		}
	}
	put("s", &types.AttributeValueMemberS{Value: text()})
	put("n", &types.AttributeValueMemberN{Value: number()})
	put("b", &types.AttributeValueMemberB{Value: edgeBinaries[i%len(edgeBinaries)]})
	put("bool", &types.AttributeValueMemberBOOL{Value: i%2 == 0})
	put("null", &types.AttributeValueMemberNULL{Value: true})
	put("ss", &types.AttributeValueMemberSS{Value: []string{"", "z", "a", fmt.Sprint(i), "😀"}})
	put("ns", &types.AttributeValueMemberNS{Value: []string{"10", "9", "-1.5", "1E100", "0.000001"}})
	put("bs", &types.AttributeValueMemberBS{Value: [][]byte{{}, {0}, {0xff}, {byte(i), 1}}})
	put("l", edgeList(i, text(), number()))
	put("m", &types.AttributeValueMemberM{Value: Item{
		edgeNames[random.IntN(len(edgeNames))]: &types.AttributeValueMemberS{Value: text()}, "empty": &types.AttributeValueMemberM{Value: Item{}}}})
	for range random.IntN(4) {
		put(edgeNames[random.IntN(len(edgeNames))], &types.AttributeValueMemberS{Value: text()})
	}
	if i%50 == 7 {
		put("deep", nested(31))
	}
	if i%500 == 9 {
		put(strings.Repeat("n", 1000), &types.AttributeValueMemberN{Value: number()})
	}
}

func edgeList(i int, text, number string) types.AttributeValue {
	if i%3 == 0 {
		return &types.AttributeValueMemberL{Value: []types.AttributeValue{}}
	}
	return &types.AttributeValueMemberL{Value: []types.AttributeValue{
		&types.AttributeValueMemberS{Value: text}, &types.AttributeValueMemberN{Value: number},
		&types.AttributeValueMemberNULL{Value: true}, &types.AttributeValueMemberL{Value: []types.AttributeValue{}},
	}}
}

// nested is a string in so many containers, maps and lists in turn.
func nested(depth int) types.AttributeValue {
	var v types.AttributeValue = &types.AttributeValueMemberS{Value: "bottom"}
	for d := range depth {
		if d%2 == 0 {
			v = &types.AttributeValueMemberM{Value: Item{"d": v}}
		} else {
			v = &types.AttributeValueMemberL{Value: []types.AttributeValue{v}}
		}
	}
	return v
}

// growTo fills an item up to a size with one string.
func growTo(item Item, size int) {
	const name = "filler"
	item[name] = &types.AttributeValueMemberS{}
	item[name] = &types.AttributeValueMemberS{Value: strings.Repeat("x", size-ItemSize(item))}
}

// ItemSize is an item's size as DynamoDB counts it.
func ItemSize(item Item) int {
	n := 0
	for name, v := range item {
		n += len(name) + valueSize(v)
	}
	return n
}

func valueSize(v types.AttributeValue) int {
	n := 0
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return len(v.Value)
	case *types.AttributeValueMemberN:
		return numberSize(v.Value)
	case *types.AttributeValueMemberB:
		return len(v.Value)
	case *types.AttributeValueMemberSS:
		for _, s := range v.Value {
			n += len(s)
		}
		return n
	case *types.AttributeValueMemberNS:
		for _, s := range v.Value {
			n += numberSize(s)
		}
		return n
	case *types.AttributeValueMemberBS:
		for _, s := range v.Value {
			n += len(s)
		}
		return n
	case *types.AttributeValueMemberL:
		for _, e := range v.Value {
			n += 1 + valueSize(e)
		}
		return n + 3
	case *types.AttributeValueMemberM:
		for name, e := range v.Value {
			n += 1 + len(name) + valueSize(e)
		}
		return n + 3
	}
	return 1
}

// numberSize is one byte for two digits, one more, and one for a minus sign.
func numberSize(s string) int {
	digits, _, _ := strings.Cut(decimal(s), "E")
	digits, negative := strings.CutPrefix(digits, "-")
	n := (len(digits)+1)/2 + 1
	if negative {
		n++
	}
	return n
}
