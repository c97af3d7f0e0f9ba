package plane

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// auditEvent is the part of an audit.k8s.io/v1 Event that an Entry is made of.
type auditEvent struct {
	Stage      string `json:"stage"`
	RequestURI string `json:"requestURI"`
	Verb       string `json:"verb"`
	User       struct {
		Username string `json:"username"`
	} `json:"user"`
	UserAgent string `json:"userAgent"`
	ObjectRef struct {
		Resource    string `json:"resource"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
		APIGroup    string `json:"apiGroup"`
		APIVersion  string `json:"apiVersion"`
		Subresource string `json:"subresource"`
	} `json:"objectRef"`
	ResponseStatus struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
	RequestReceivedTimestamp time.Time `json:"requestReceivedTimestamp"`
	StageTimestamp           time.Time `json:"stageTimestamp"`
}

// eventStart begins every line of the log.
const eventStart = `{"kind":"Event"`

// parser turns lines into entries. It keeps one copy of each repeated string; nearly all repeat.
type parser struct {
	strings map[string]string
}

func newParser() parser { return parser{strings: map[string]string{}} }

// parse reads one line. It returns false for a line that does not count: the end of a watch whose beginning has been
// counted.
func (p parser) parse(line []byte) (Entry, bool, error) {
	// A killed API server leaves half a line, to which its successor appends.
	if start := bytes.LastIndex(line, []byte(eventStart)); start > 0 && !json.Valid(line) {
		line = line[start:]
	}
	if len(bytes.TrimSpace(line)) == 0 {
		return Entry{}, false, nil
	}
	var event auditEvent
	if err := json.Unmarshal(line, &event); err != nil {
		return Entry{}, false, fmt.Errorf("the audit log has a line that is no event: %w", err)
	}
	started := event.Stage == "ResponseStarted"
	if isWatch := event.Verb == "watch"; isWatch != started {
		return Entry{}, false, nil
	}
	return Entry{
		Time:        event.RequestReceivedTimestamp,
		Duration:    event.StageTimestamp.Sub(event.RequestReceivedTimestamp),
		User:        p.intern(event.User.Username),
		UserAgent:   p.intern(event.UserAgent),
		Verb:        p.intern(event.Verb),
		Group:       p.intern(event.ObjectRef.APIGroup),
		Version:     p.intern(event.ObjectRef.APIVersion),
		Resource:    p.intern(event.ObjectRef.Resource),
		Subresource: p.intern(event.ObjectRef.Subresource),
		Namespace:   p.intern(event.ObjectRef.Namespace),
		Name:        p.intern(event.ObjectRef.Name),
		URI:         event.RequestURI,
		Code:        event.ResponseStatus.Code,
	}, true, nil
}

func (p parser) intern(s string) string {
	if known, ok := p.strings[s]; ok {
		return known
	}
	p.strings[s] = s
	return s
}
