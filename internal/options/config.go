package options

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	yamlutil "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// ErrConfigFile is wrapped by every error about the config file as a whole.
var ErrConfigFile = errors.New("config file")

// mergeConfigFile reads the config file, if there is one, into the settings whose flags were not given. It keeps
// values that it cannot parse for Validate; only a file that cannot be read at all is an error here.
func (o *Options) mergeConfigFile(readFile ReadFile) error {
	if o.ConfigFile == "" {
		return nil
	}
	content, err := readFile(o.ConfigFile)
	if err != nil {
		return fmt.Errorf("%w of --config cannot be read: %w; mount the ConfigMap there or leave out --config",
			ErrConfigFile, err)
	}
	values, err := parseConfig(content)
	if err != nil {
		return fmt.Errorf("%w %s: %w", ErrConfigFile, o.ConfigFile, err)
	}
	o.applyConfig(values)
	return nil
}

// applyConfig applies the values of the config file, in the order of the table of settings.
func (o *Options) applyConfig(values map[string]json.RawMessage) {
	var keys []string
	for _, s := range o.settings() {
		if s.key == "" {
			continue
		}
		keys = append(keys, s.key)
		if raw, found := values[s.key]; found && !o.byFlag(s.flag) {
			o.origin[s.flag] = s.key + " in " + o.ConfigFile
			o.setFromConfig(s, raw)
		}
		delete(values, s.key)
	}
	for _, unknown := range slices.Sorted(maps.Keys(values)) {
		o.fileProblems = append(o.fileProblems, ValueError{
			Where: o.ConfigFile, Value: unknown, Accepts: "one of the keys " + strings.Join(keys, ", "),
		})
	}
}

func (o *Options) setFromConfig(s setting, raw json.RawMessage) {
	text, err := s.text(raw)
	if err != nil {
		o.refused[s.flag] = string(raw)
		return
	}
	if err := s.value.Set(text); err != nil {
		o.refused[s.flag] = text
	}
}

// parseConfig parses the file into keys and JSON values. Duplicate keys are an error, and so is more than one YAML
// document: all but the first would be silently ignored.
func parseConfig(content []byte) (map[string]json.RawMessage, error) {
	document, err := singleDocument(content)
	if err != nil {
		return nil, err
	}
	inJSON, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		return nil, fmt.Errorf("is not valid YAML: %w", err)
	}
	values := map[string]json.RawMessage{}
	if err := json.Unmarshal(inJSON, &values); err != nil {
		return nil, fmt.Errorf("must be a list of lines `key: value`: %w", err)
	}
	return values, nil
}

func singleDocument(content []byte) ([]byte, error) {
	reader := yamlutil.NewYAMLReader(bufio.NewReader(bytes.NewReader(content)))
	var single []byte
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return single, nil
		}
		if err != nil {
			return nil, fmt.Errorf("is not valid YAML: %w", err)
		}
		if len(bytes.TrimSpace(document)) == 0 {
			continue
		}
		if single != nil {
			return nil, errors.New("holds more than one YAML document (---), accepted is one")
		}
		single = document
	}
}

// scalar returns a JSON string or number as text; lists, maps, booleans and null are errors.
func scalar(raw json.RawMessage) (string, error) {
	var text string
	if err := json.Unmarshal(raw, &text); err == nil && string(raw) != "null" {
		return text, nil
	}
	var number json.Number
	if err := json.Unmarshal(raw, &number); err != nil || number == "" {
		return "", fmt.Errorf("%s is neither text nor a number", raw)
	}
	return number.String(), nil
}

// boolText returns a JSON boolean as text, even a quoted one, as templates often write it.
func boolText(raw json.RawMessage) (string, error) {
	var on bool
	if err := json.Unmarshal(raw, &on); err == nil && string(raw) != "null" {
		return strconv.FormatBool(on), nil
	}
	return scalar(raw)
}
