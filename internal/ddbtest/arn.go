package ddbtest

import (
	"bytes"
	"net/http"
	"regexp"
	"strings"
)

var anyARN = regexp.MustCompile(`arn:aws:dynamodb:[a-z0-9-]+:[0-9]{12}:`)

func (a *Account) arnPrefix() string { return "arn:aws:dynamodb:" + a.Region + ":" + a.ID + ":" }

// TableARN is the ARN that the account's proxy shows for a table.
func (a *Account) TableARN(table string) string { return a.arnPrefix() + "table/" + table }

// ownARNs puts the account's region and id into the ARNs of a control-plane
// answer. Items are never touched: what they hold is data.
func (p *Proxy) ownARNs(a *answer) {
	found := anyARN.Find(a.body)
	if found == nil {
		return
	}
	if own := p.account.arnPrefix(); string(found) != own {
		engine := string(found)
		p.engineARN.Store(&engine)
		a.replaceBody(bytes.ReplaceAll(a.body, found, []byte(own)))
	}
}

// nameTables finds the tables that a request is about, and turns ARNs, which
// the engine does not know, into names.
func (p *Proxy) nameTables(r *request) *answer {
	if r.op == "BatchWriteItem" || r.op == "BatchGetItem" {
		return p.nameBatch(r)
	}
	r.table = memberString(r.body, "TableName")
	if r.table == "" {
		r.nameOrigin()
	}
	if !bytes.Contains(r.body, []byte("arn:aws:dynamodb:")) {
		return nil
	}
	if strings.HasPrefix(r.table, "arn:") {
		name, a := p.tableName(r, r.table)
		if a != nil {
			return a
		}
		r.table = name
		r.body = withMember(r.body, "TableName", quote(name))
	}
	if !dataOps[r.op] && !backupOps[r.op] {
		r.body = bytes.ReplaceAll(r.body, []byte(p.account.arnPrefix()), []byte(*p.engineARN.Load()))
	}
	return nil
}

func (p *Proxy) nameBatch(r *request) *answer {
	items := member(r.body, "RequestItems")
	byARN := false
	for ref := range members(items) {
		if r.table == "" {
			r.table = ref
		}
		byARN = byARN || strings.HasPrefix(ref, "arn:")
	}
	if !byARN {
		return nil
	}
	r.refs = map[string]string{}
	named := object{}
	r.table = ""
	for ref, v := range members(items) {
		name, a := p.tableName(r, ref)
		if a != nil {
			return a
		}
		if r.table == "" {
			r.table = name
		}
		r.refs[name] = ref
		named = append(named, pair{name, v})
	}
	r.body = withMember(r.body, "RequestItems", named.json())
	return nil
}

// tableName is the name in a table's ARN. A table of another account or region
// is refused, as it is without a resource policy.
func (p *Proxy) tableName(r *request, ref string) (string, *answer) {
	if !strings.HasPrefix(ref, "arn:") {
		return ref, nil
	}
	name, ok := strings.CutPrefix(ref, p.account.arnPrefix()+"table/")
	if !ok {
		return "", r.fail("AccessDeniedException", "not authorized to perform: dynamodb:"+r.op+" on resource: "+ref)
	}
	return name, nil
}

// ref is how the sender of a request calls a table.
func (r *request) ref(name string) string {
	if ref, ok := r.refs[name]; ok {
		return ref
	}
	return name
}

// An object is a JSON object to be written, its values already JSON.
type object []pair

type pair struct {
	name  string
	value []byte
}

func (o object) json() []byte {
	b := []byte{'{'}
	for i, m := range o {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, quote(m.name)...), ':'), m.value...)
	}
	return append(b, '}')
}

// withMember returns the object with one member set, or removed if value is nil.
func withMember(b []byte, name string, value []byte) []byte {
	var o object
	found := false
	for n, v := range members(b) {
		if n == name {
			found = true
			v = value
		}
		if v != nil {
			o = append(o, pair{n, v})
		}
	}
	if !found && value != nil {
		o = append(o, pair{name, value})
	}
	return o.json()
}

// fail answers with one of AWS's exceptions.
func (r *request) fail(code, message string) *answer {
	status := http.StatusBadRequest
	if code == "InternalServerError" {
		status = http.StatusInternalServerError
	}
	return r.failStatus(status, code, message)
}

func (r *request) failStatus(status int, code, message string) *answer {
	if r.sts {
		body := "<ErrorResponse><Error><Type>Sender</Type><Code>" + code + "</Code><Message>" + message + "</Message></Error></ErrorResponse>"
		return &answer{status: http.StatusForbidden, contentType: "text/xml", body: []byte(body), noCRC: true}
	}
	return jsonAnswer(status, object{{"__type", quote(namespace(code) + code)}, {"message", quote(message)}}.json())
}

// namespace is what AWS puts before the name of an exception.
func namespace(code string) string {
	switch code {
	case "ObjectNotFoundException", "ConcurrentUpdateException", "FailedResourceAccessException", "InvalidNextTokenException":
		return "" // Application Auto Scaling's own
	case "ThrottlingException":
		return "com.amazon.coral.availability#"
	case "ValidationException":
		return "com.amazon.coral.validate#"
	case "AccessDeniedException", "ExpiredTokenException", "UnrecognizedClientException", "InvalidSignatureException",
		"MissingAuthenticationTokenException", "SerializationException", "UnknownOperationException":
		return "com.amazon.coral.service#"
	}
	return "com.amazonaws.dynamodb.v20120810#"
}
