package sim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// serve answers one connection's requests until either end has had enough.
func (s *Side) serve(c *conn) {
	defer func() { _ = c.Close() }()
	var r request
	for {
		err := c.next(&r)
		if errors.Is(err, errTooLarge) {
			s.refused.Add(1)
			_ = c.send(answer{status: 413, body: []byte("request entity too large"), plain: true}, 0)
		}
		if err != nil {
			return
		}
		if bytes.HasPrefix(r.path, []byte("/_sim/")) {
			err = c.send(s.server.control(&r), 0)
		} else {
			err = s.answer(c, &r)
		}
		if err != nil || r.last {
			return
		}
	}
}

var errTooLarge = errors.New("request entity too large")

// answer does one DynamoDB request.
func (s *Side) answer(c *conn, r *request) error {
	id := s.requests.Add(1)
	s.bytesIn.Add(int64(len(r.body)))
	s.delay(id)
	fault := s.pick(id)
	switch fault {
	case fault500Before:
		return c.send(failure(500, "InternalServerError", "the fault was asked for"), id)
	case faultResetBefore:
		c.reset()
		return errHangUp
	}
	a := s.operate(c, r, fault, id)
	defer s.release(a.page)
	switch fault {
	case fault500After:
		return c.send(failure(500, "InternalServerError", "the fault was asked for"), id)
	case faultResetAfter:
		c.reset()
		return errHangUp
	}
	a.fault = fault
	return c.send(a, id)
}

func (s *Side) delay(id uint64) {
	d := s.config.Latency
	if s.config.Jitter > 0 {
		d += time.Duration(mix(id+0x51) % uint64(s.config.Jitter))
	}
	if d > 0 {
		time.Sleep(d)
	}
}

func (s *Side) operate(c *conn, r *request, fault faultKind, id uint64) answer {
	if !s.knows(r.credential) {
		return s.refuse("UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	switch string(r.operation) {
	case "BatchWriteItem":
		return s.batchWrite(c, r, fault, id)
	case "Scan":
		return s.scan(r)
	case "BatchGetItem":
		return s.batchGet(c, r)
	case "DescribeTable":
		return s.describe(r)
	case "DescribeTimeToLive":
		return answer{status: 200, body: []byte(`{"TimeToLiveDescription":{"TimeToLiveStatus":"DISABLED"}}`)}
	case "ListTables":
		return answer{status: 200, body: fmt.Appendf(nil, `{"TableNames":[%q]}`, s.config.Table)}
	}
	return s.refuse("UnknownOperationException", "An unknown operation was requested.")
}

// knows reports whether a request comes with this account's key.
func (s *Side) knows(credential []byte) bool {
	_, rest, ok := bytes.Cut(credential, []byte("Credential="))
	id, _, _ := bytes.Cut(rest, []byte("/"))
	return ok && string(id) == s.config.KeyID
}

// refuse is a client error.
func (s *Side) refuse(kind, message string) answer {
	s.refused.Add(1)
	return failure(400, kind, message)
}

func failure(status int, kind, message string) answer {
	prefix := "com.amazonaws.dynamodb.v20120810#"
	switch kind {
	case "ValidationException", "UnrecognizedClientException", "UnknownOperationException", "ThrottlingException":
		prefix = "com.amazon.coral.service#"
	}
	body, err := json.Marshal(map[string]string{"__type": prefix + kind, "message": message})
	if err != nil {
		panic(err) // two strings
	}
	return answer{status: status, body: body}
}

// throttle is the error for a request of which nothing could be done.
func (s *Side) throttle(met refusal) answer {
	s.throttled.Add(1)
	direction, reason := "Read", "ProvisionedThroughputExceeded"
	if s.target {
		direction = "Write"
	}
	if met == rangeLimit {
		reason = "KeyRangeThroughputExceeded"
	}
	return answer{status: 400, body: fmt.Appendf(nil,
		`{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",`+
			`"message":"The level of configured provisioned throughput for the table was exceeded.",`+
			`"ThrottlingReasons":[{"reason":"Table%s%s","resource":%q}]}`, direction, reason, s.ARN())}
}

// ARN is the table's.
func (s *Side) ARN() string {
	return "arn:aws:dynamodb:" + s.config.Region + ":" + s.config.Account + ":table/" + s.config.Table
}

// isTable reports whether a request names this side's table.
func (s *Side) isTable(name []byte) bool {
	return string(name) == s.config.Table || strings.HasPrefix(string(name), "arn:") && string(name) == s.ARN()
}

func (s *Side) noTable() answer {
	return s.refuse("ResourceNotFoundException", "Requested resource not found")
}

// describe answers DescribeTable.
func (s *Side) describe(r *request) answer {
	var in struct{ TableName string }
	if err := json.Unmarshal(r.body, &in); err != nil {
		return s.refuse("SerializationException", err.Error())
	}
	if !s.isTable([]byte(in.TableName)) {
		return s.noTable()
	}
	keys := []map[string]string{{"AttributeName": "pk", "KeyType": "HASH"}}
	attributes := []map[string]string{{"AttributeName": "pk", "AttributeType": "S"}}
	if s.server.config.SortKey {
		keys = append(keys, map[string]string{"AttributeName": "sk", "KeyType": "RANGE"})
		attributes = append(attributes, map[string]string{"AttributeName": "sk", "AttributeType": "S"})
	}
	items := s.server.config.Items
	if s.target {
		items, _ = s.server.marks.count()
	}
	table := map[string]any{
		"TableName": s.config.Table, "TableArn": s.ARN(), "TableId": "5100da7a-0000-4000-8000-" + s.config.Account,
		"TableStatus": "ACTIVE", "CreationDateTime": 1767225600.0, "KeySchema": keys, "AttributeDefinitions": attributes,
		"ItemCount": items, "TableSizeBytes": int64(float64(items) * s.server.items.size),
		"DeletionProtectionEnabled": false,
	}
	throughput := map[string]any{"ReadCapacityUnits": 0, "WriteCapacityUnits": 0, "NumberOfDecreasesToday": 0}
	if s.config.OnDemand || s.config.Units == 0 {
		table["BillingModeSummary"] = map[string]any{"BillingMode": "PAY_PER_REQUEST"}
	} else {
		// Only one side of a table is limited; the other has AWS's default quota.
		throughput["ReadCapacityUnits"], throughput["WriteCapacityUnits"] = int64(s.config.Units), 40000
		if s.target {
			throughput["ReadCapacityUnits"], throughput["WriteCapacityUnits"] = 40000, int64(s.config.Units)
		}
	}
	table["ProvisionedThroughput"] = throughput
	body, err := json.Marshal(map[string]any{"Table": table})
	if err != nil {
		return failure(500, "InternalServerError", err.Error())
	}
	return answer{status: 200, body: body}
}
